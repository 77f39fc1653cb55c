package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/intake"
)

// intakeOptions are what the configuration says of the intake.
func (r *runner) intakeOptions() intake.Options {
	c := &r.cfg.Intake
	return intake.Options{
		UDP: c.UDP.Items(), TCP: c.TCP.Items(), TLS: c.TLS.Items(), Certificate: c.Certificate, Key: c.Key, ClientCA: c.ClientCA,
		AuthKey: string(c.AuthKey), Allow: c.Prefixes(), Connections: c.Connections, Delimiter: c.Delimiter,
		KeepRESTPorts: c.RESTPorts == config.RESTPortsKeep, AgentID: r.cfg.System.AgentID, Node: nodeName(r.cfg),
		Now: ringNow, Log: r.log.With("task", "intake"),
	}
}

// openIntake opens the sockets for the HEP of other agents, if there are any.
func (r *runner) openIntake() error {
	if !r.cfg.Intake.On() {
		return nil
	}
	in, err := intake.Listen(r.intakeOptions())
	if err != nil {
		return err
	}
	own, err := ownAddresses()
	if err == nil {
		err = loops(in, r.cfg.Collector, own)
	}
	if err != nil {
		_ = in.Close()
		return err
	}
	r.intake, r.meters.Intake = in, in.Stats
	for _, t := range []intake.Transport{intake.UDP, intake.TCP, intake.TLS} {
		for _, at := range in.Addrs(t) {
			r.log.Info("taking in HEP of other agents", "transport", t.String(), "address", at.String())
		}
	}
	return nil
}

func ownAddresses() (out []netip.Addr, err error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("intake: addresses of this machine: %w", err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out, nil
}

// loops finds a collector whose address is one of the intake's own, which the
// configuration alone cannot tell: the intake may listen on all addresses.
func loops(in *intake.Intake, collectors []config.Collector, own []netip.Addr) error {
	for _, c := range collectors {
		to, err := netip.ParseAddrPort(c.Address)
		if err != nil {
			continue // a name: records that come back are refused all the same
		}
		addr := to.Addr().Unmap()
		listening := in.Addrs(intake.UDP)
		if c.Transport != config.UDP {
			listening = append(in.Addrs(intake.TCP), in.Addrs(intake.TLS)...)
		}
		for _, at := range listening {
			if at.Port() != to.Port() || at.Addr() != addr && !(at.Addr().IsUnspecified() && slices.Contains(own, addr)) {
				continue
			}
			return fmt.Errorf("intake: %v is where collector %s is: what is sent there would come back", at, c.Name)
		}
	}
	return nil
}
