package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// checkTools names the commands that are missing, and where they are.
func checkTools() error {
	var missing []string
	for _, t := range []struct{ cmd, pkg string }{{"ip", "iproute2"}, {"tc", "iproute2"}, {"ethtool", "ethtool"}} {
		if _, err := exec.LookPath(t.cmd); err != nil {
			missing = append(missing, fmt.Sprintf("%s (Debian package %s)", t.cmd, t.pkg))
		}
	}
	if missing != nil {
		return fmt.Errorf("the lab needs %s", strings.Join(missing, ", "))
	}
	return nil
}

func run(name string, args ...string) error {
	_, err := output(name, args...)
	return err
}

func output(name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// Command is exec.Command for a program inside the namespace, in a process
// group of its own (Ctrl-C does not reach it), which dies with this process.
// Use Lab.Start to start it.
func (n *Namespace) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", n.name, name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Process is a program that runs in a lab.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; valid once done is closed
}

// forks are done one after the other on a thread that stays: the kernel sends
// Pdeathsig when the thread that made the child ends (prctl(2)), and the
// threads of relays end with them.
var forks struct {
	once sync.Once
	work chan func()
}

func fork(start func() error) error {
	forks.once.Do(func() {
		forks.work = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range forks.work {
				f()
			}
		}()
	})
	errs := make(chan error)
	forks.work <- func() { errs <- start() }
	return <-errs
}

// Start starts a program; Close will end it.
func (l *Lab) Start(cmd *exec.Cmd) (*Process, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, os.ErrClosed
	}
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = 5 * time.Second // a child that holds the output must not hold us
	}
	name := cmd.Args[0]
	if name == "ip" && len(cmd.Args) > 4 {
		name = cmd.Args[4]
	}
	if err := fork(cmd.Start); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &Process{name: name, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	l.running = append(l.running, p)
	return p, nil
}

// PID is the program's process number: ip netns exec becomes the program.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal to the program.
func (p *Process) Signal(s syscall.Signal) error {
	select {
	case <-p.done:
		return os.ErrProcessDone
	default:
		return p.cmd.Process.Signal(s)
	}
}

// Wait waits until the program has ended by itself and returns its error, or
// ctx's.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", p.name, ctx.Err())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.name, p.err)
	}
	return nil
}

// Stop asks the program to end by a signal, and kills it when it has not
// after a while, which is an error.
func (p *Process) Stop(s syscall.Signal, patience time.Duration) error {
	if err := p.Signal(s); errors.Is(err, os.ErrProcessDone) {
		return p.Wait(context.Background())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := p.Wait(ctx)
	if ctx.Err() != nil {
		p.Kill()
		return fmt.Errorf("%s: did not end within %v of %v", p.name, patience, s)
	}
	return err
}

// Kill ends the program and its process group at once.
func (p *Process) Kill() {
	select {
	case <-p.done:
		return
	default:
	}
	if p.cmd.SysProcAttr != nil && p.cmd.SysProcAttr.Setpgid {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}
