package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"heptap/firmware/internal/config"
)

// Box is what a machine has that runs nothing but heptap.
type Box struct {
	SetClock    func(time.Time) error
	TimeServers func() []string // that DHCP tells of
	// CopyToStick copies a file to the USB stick that is plugged in, and tells how many
	// octets there are so far. A ctx that is done takes it back.
	CopyToStick func(ctx context.Context, path string, tell func(octets int64)) error
}

// setupConfirm is how long what setup has put to work may go unconfirmed.
const setupConfirm = 10 * time.Minute

func setupCommands() []command {
	return []command{
		{path: words("setup"), help: "five questions that make a configuration; ^C leaves, and changes nothing", run: plain((*session).setup)},
		{path: words("clock set"), args: "YYYY-MM-DD HH:MM[:SS]", help: "set the box's clock, in UTC", hints: func(_ *session, typed []string) []hint {
			return [][]hint{{{word: "YYYY-MM-DD", help: "the date", free: true}}, {{word: "HH:MM[:SS]", help: "the time, in UTC", free: true}}, nil}[min(len(typed), 2)]
		}, run: (*session).clockSet},
	}
}

// question is one that setup asks.
type question struct {
	text, help string
	def        string   // what Enter alone means; empty: there has to be an answer
	choices    []string // for completion
	take       func(answer string) error
}

// ask asks until the answer can be taken.
func (s *session) ask(q question) error {
	prompt := q.text + ": "
	if q.def != "" {
		prompt = q.text + " [" + q.def + "]: "
	}
	for {
		line, err := s.t.readLine(prompt, q.more)
		if errors.Is(err, errTooLong) {
			line, err = "", nil
		}
		if err != nil {
			return err
		}
		answer := cmp.Or(strings.TrimSpace(line), q.def)
		if answer == "" {
			s.t.print("  an answer is needed; ? says which, ^C leaves\n")
			continue
		}
		err = q.take(answer)
		if err == nil {
			return nil
		}
		s.t.print("  " + printable(err.Error()) + "\n")
	}
}

// more completes an answer, or says what is asked for.
func (q *question) more(line string, ask bool) (string, string) {
	var fit []string
	for _, c := range q.choices {
		if strings.HasPrefix(c, line) {
			fit = append(fit, c)
		}
	}
	switch {
	case !ask && len(fit) == 1:
		return fit[0], ""
	case len(q.choices) > 0:
		return line, "  " + q.help + "\n  " + strings.Join(q.choices, "  ") + "\n"
	}
	return line, "  " + q.help + "\n"
}

// yes asks a question of yes or no.
func (s *session) yes(text, def string) (yes bool, err error) {
	err = s.ask(question{text: text, def: def, help: "yes or no", choices: []string{"yes", "no"}, take: func(a string) error {
		switch strings.ToLower(a) {
		case "y", "yes":
			yes = true
		case "n", "no":
			yes = false
		default:
			return errors.New("want yes or no")
		}
		return nil
	}})
	return yes, err
}

// errKept leaves setup with the candidate that it has made.
var errKept = errors.New("the answers are the candidate: show | compare, commit confirmed")

// setup asks for what a probe cannot do without, and puts it to work in a way that
// undoes itself.
func (s *session) setup() (string, error) {
	if s.t.batch {
		return "", errors.New("setup asks questions: use a terminal, or set and commit")
	}
	if p := s.c.settings.pendingText(); p != "" {
		return "", errPending
	}
	if s.changed() {
		return "", errors.New("there are changes that are not committed: commit them, or give them up with rollback")
	}
	err := s.questions()
	switch {
	case errors.Is(err, errInterrupted) && s.c.settings.pendingText() != "":
		return s.c.settings.pendingText() + "\n", nil
	case errors.Is(err, errInterrupted):
		return "", errors.New("left; setup asks again")
	case errors.Is(err, errKept):
		return err.Error() + "\n", nil
	}
	return "", err
}

func (s *session) questions() error {
	s.t.print("\nFive questions. Enter takes what stands in brackets, ? explains, ^C leaves and changes nothing.\n")
	a := answers{s: s, draft: s.draft()}
	a.cfg, _ = a.draft.Config("candidate") // of one with mistakes there are no defaults
	for _, step := range []func() error{a.name, a.uplink, a.mirror, a.collector, a.time} {
		if err := step(); err != nil {
			return err
		}
	}
	running, _ := s.c.settings.current()
	changes := config.Changes(running, a.draft)
	if len(changes) == 0 {
		s.t.print("\nThat is what runs already.\n")
		return nil
	}
	if _, err := a.draft.Config("the answers"); err != nil {
		return err
	}
	s.t.print("\n")
	s.edit(a.draft)
	text, _ := s.compare()
	s.t.print(text + "\n")
	yes, err := s.yes("Put this to work? It is undone by itself in 10 minutes unless you confirm", "yes")
	switch {
	case err != nil:
		s.finish()
		return err
	case !yes:
		return errKept
	}
	if text, err = s.put(setupConfirm); err != nil {
		return err
	}
	s.t.print(text)
	return s.prove()
}

// prove shows that what setup has put to work works, and has it kept.
func (s *session) prove() error {
	def := "yes"
	if l, err := s.live(); err == nil && l.TestUplink != nil && len(l.Config.Collector) > 0 {
		s.t.print("\nThe way to the collector:\n")
		if ok := s.showTest(l, "", false); !ok {
			def = ""
			s.t.print("Not everything works. To keep it all the same, and go on from there, is no mistake: the console stays.\n")
		}
	}
	if err := s.askClock(); err != nil {
		return err
	}
	yes, err := s.yes("Keep this configuration? no brings back what was before", def)
	if err != nil {
		return err
	}
	do := s.abort
	if yes {
		do = s.confirm
	}
	text, err := do()
	if err == nil && yes {
		text += "show status says how it goes, test span whether the mirror is any good; ? what else there is\n"
	}
	s.t.print(text)
	return err
}

// answers are what setup has heard so far.
type answers struct {
	s     *session
	draft config.Draft
	cfg   config.Config // what there was
}

// set puts an answer into the draft.
func (a *answers) set(path string, value string) error {
	d, err := a.draft.Set(append(words(path), value))
	if err == nil {
		a.draft = d
	}
	return err
}

func (a *answers) unset(path string) { a.draft, _ = a.draft.Delete(words(path)) }

func (a *answers) name() error {
	return a.s.ask(question{text: "\n1 of 5: name of this probe", def: cmp.Or(a.cfg.System.Node, "heptap"), help: "it stands in every record, so that the server can tell probes apart",
		take: func(name string) error { return a.set("system node", name) }})
}

// ports shows the network ports and returns their names.
func (a *answers) ports() (names []string) {
	if a.s.c.o.Box == nil {
		return nil
	}
	all, err := a.s.c.o.Ports()
	if err != nil {
		a.s.t.print("  network ports: " + printable(err.Error()) + "\n")
	}
	for _, p := range all {
		a.s.t.print(fmt.Sprintf("  %-16s %s\n", printable(p.Name), p.State))
		names = append(names, p.Name)
	}
	return names
}

// port checks that a port is there: a name with a mistake in it would only show
// after the commit.
func port(names []string, name string) error {
	if len(names) > 0 && !slices.Contains(names, name) {
		return fmt.Errorf("no such port; there are: %s", strings.Join(names, ", "))
	}
	return nil
}

// uplink asks for the port that the box itself talks over. Elsewhere than on a box it
// is not ours.
func (a *answers) uplink() error {
	if a.s.c.o.Box == nil {
		a.s.t.print("\n2 of 5: this machine's own network is set up by somebody else.\n")
		return nil
	}
	a.s.t.print("\nNetwork ports:\n")
	names := a.ports()
	u := a.cfg.Uplink
	first := u.Interface
	if first == "" && len(names) > 0 {
		first = names[0]
	}
	err := a.s.ask(question{text: "2 of 5: port of the uplink, which leads to the collector", def: first, choices: names,
		help: "the box has its address there",
		take: func(name string) error {
			if err := port(names, name); err != nil {
				return err
			}
			return a.set("uplink interface", name)
		}})
	if err != nil {
		return err
	}
	address := "dhcp"
	if u.Address.IsValid() {
		address = u.Address.String()
	}
	err = a.s.ask(question{text: "        its address", def: address, choices: []string{"dhcp"}, help: "dhcp, or an address with the length of its network, such as 192.0.2.20/24",
		take: func(text string) error { address = text; return a.set("uplink address", text) }})
	if err != nil {
		return err
	}
	net, err := netip.ParsePrefix(address)
	if err != nil {
		for _, path := range []string{"uplink address", "uplink gateway", "uplink dns"} {
			a.unset(path)
		}
		return nil
	}
	return a.static(net)
}

// static asks for what DHCP tells otherwise.
func (a *answers) static(net netip.Prefix) error {
	gateway := net.Masked().Addr().Next()
	if a.cfg.Uplink.Gateway.IsValid() && net.Contains(a.cfg.Uplink.Gateway) {
		gateway = a.cfg.Uplink.Gateway
	}
	err := a.s.ask(question{text: "        gateway", def: gateway.String(), help: "address of the router, or none",
		take: func(text string) error {
			a.unset("uplink gateway")
			if text == "none" {
				return nil
			}
			if g, err := netip.ParseAddr(text); err == nil && !net.Contains(g) {
				return fmt.Errorf("%s is not in the network %s", g, net.Masked())
			}
			return a.set("uplink gateway", text)
		}})
	if err != nil {
		return err
	}
	return a.s.ask(question{text: "        name servers", def: cmp.Or(string(a.cfg.Uplink.DNS), "none"), help: "addresses with commas between them, or none",
		take: func(text string) error { return a.orNone("uplink dns", text) }})
}

// orNone sets an option, or takes it out.
func (a *answers) orNone(path, text string) error {
	if text == "none" {
		a.unset(path)
		return nil
	}
	return a.set(path, text)
}

func (a *answers) mirror() error {
	a.s.t.print("\n")
	names := a.ports()
	answered, _ := a.draft.Config("the answers")
	name, device := "span0", ""
	if len(a.cfg.Ports) > 0 {
		name, device = a.cfg.Ports[0].Name, a.cfg.Ports[0].Interface
	}
	uplink := answered.Uplink.Interface
	if device == "" || device == uplink {
		device = ""
		if i := slices.IndexFunc(names, func(n string) bool { return n != uplink }); i >= 0 {
			device = names[i]
		}
	}
	return a.s.ask(question{text: "3 of 5: port at the switch's mirror (SPAN) port", def: device, choices: names, help: "heptap listens there, and never sends",
		take: func(d string) error {
			if err := port(names, d); err != nil {
				return err
			}
			if d == uplink {
				return errors.New("that is the uplink; a mirror port must never send")
			}
			return a.set("capture "+name+" interface", d)
		}})
}

func (a *answers) collector() error {
	c := config.Collector{Name: "central", Transport: config.TCP}
	if len(a.cfg.Collector) > 0 {
		c = a.cfg.Collector[0]
	}
	none := false
	err := a.s.ask(question{text: "\n4 of 5: collector", def: cmp.Or(c.Address, "none"), help: "the HEP server, as HOST:PORT; none: records wait on the disk until there is one",
		take: func(text string) error {
			if none = text == "none"; none {
				a.unset("collector " + c.Name)
				return nil
			}
			if _, _, err := net.SplitHostPort(text); err != nil && !strings.HasPrefix(text, "_") {
				text += ":9060" // the port that HEP servers have
			}
			return a.set("collector "+c.Name+" address", text)
		}})
	if err != nil || none {
		return err
	}
	return a.s.ask(question{text: "        how", def: string(c.Transport), choices: []string{"tcp", "tls", "udp", "nats", "nats-tls"}, help: "tcp or tls lose nothing; udp may; nats and nats-tls are for a stream of NATS JetStream. With tls, test uplink shows the server's certificate to be accepted",
		take: func(text string) error { return a.set("collector "+c.Name+" transport", text) }})
}

func (a *answers) time() error {
	def, none := "dhcp", "dhcp"
	help := "the names or addresses of NTP servers with commas between them; dhcp: those that DHCP names"
	answered, _ := a.draft.Config("the answers")
	switch {
	case a.s.c.o.Box == nil:
		def, none, help = "none", "none", "NTP servers to keep this machine's clock by, with commas between them; none: another program keeps it"
	case answered.Uplink.Address.IsValid():
		def, none, help = "none", "none", "NTP servers with commas between them; none: you set the clock"
	}
	return a.s.ask(question{text: "\n5 of 5: time servers", def: cmp.Or(string(a.cfg.Time.Servers), def), help: help,
		take: func(text string) error {
			if text == none || text == "none" {
				a.unset("time servers")
				return nil
			}
			if strings.ContainsAny(text, " \t") {
				return errors.New("want names or addresses with commas between them, and no blanks")
			}
			return a.set("time servers", text)
		}})
}

const clockForm = "2006-01-02 15:04:05"

// askClock asks for the time if nothing else tells it.
func (s *session) askClock() error {
	box := s.c.o.Box
	if box == nil || box.SetClock == nil {
		return nil
	}
	running, _ := s.c.settings.current()
	if cfg, err := running.Config("running"); err != nil || cfg.Time.Servers != "" || len(box.TimeServers()) > 0 {
		return nil
	}
	s.t.print("\nNothing tells the box what time it is, and times are what records are found by.\n")
	return s.ask(question{text: "Now, in UTC", def: time.Now().UTC().Format(clockForm), help: "YYYY-MM-DD HH:MM:SS; Enter leaves the clock as it is",
		take: func(text string) error {
			now, err := parseClock(text)
			if err != nil || time.Since(now).Abs() < 2*time.Minute && text == time.Now().UTC().Format(clockForm) {
				return err
			}
			return box.SetClock(now)
		}})
}

// parseClock reads a time of this device's life.
func parseClock(text string) (time.Time, error) {
	for _, form := range []string{clockForm, "2006-01-02 15:04"} {
		if t, err := time.Parse(form, text); err == nil && t.Year() >= 2024 && t.Year() < 2100 {
			return t, nil
		}
	}
	return time.Time{}, errors.New("want a time in UTC such as 2026-01-31 15:04:05")
}

func (s *session) clockSet(typed []string) (string, error) {
	if len(typed) != 2 {
		return "", errUsage
	}
	if s.c.o.Box == nil || s.c.o.Box.SetClock == nil {
		return "", errors.New("another program keeps the clock of this machine")
	}
	t, err := parseClock(strings.Join(typed, " "))
	if err != nil {
		return "", err
	}
	if err := s.c.o.Box.SetClock(t); err != nil {
		return "", err
	}
	return "it is " + time.Now().UTC().Format(clockForm) + " UTC\n", nil
}
