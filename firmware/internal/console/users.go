package console

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"heptap/firmware/internal/durable"
)

// Level is what a user may do.
type Level uint8

// The levels. Each may do what those before it may.
const (
	MayRead    Level = iota // look at everything but secrets
	MayOperate              // and what leaves the configuration alone: marks, captures, of secrets only with that right
	MayAll                  // and everything else
)

func (l Level) String() string { return levelNames()[l] }

func levelNames() [3]string { return [3]string{"read", "operate", "admin"} }

func parseLevel(text string) (Level, error) {
	names := levelNames()
	if i := slices.Index(names[:], text); i >= 0 {
		return Level(i), nil
	}
	return 0, fmt.Errorf("%q: want read, operate or admin", text)
}

const (
	maxUsers    = 32
	minPassword = 8
	maxPassword = 72               // octets: bcrypt has no more
	firstDelay  = time.Second      // after a wrong password, doubled up to
	mostDelay   = 30 * time.Second // this; whoever logs in ends that
	idleAtMost  = 15 * time.Minute // of a session that somebody has logged in to
)

// nobodysHash is of no password that anybody knows, with the usual cost.
const nobodysHash = "$2a$10$7EqJtq98hPqEX7fNZaFWoOhi5B0T4YcJQ5C6yYyqT6o5n8m7u4q2G"

// user is one who may log in.
type user struct {
	name    string
	level   Level
	secrets bool   // may see what is blanked for others; an admin may, who could grant it to himself
	hash    string // bcrypt's, of the password
}

// maySecrets is the word for that right.
const maySecrets = "secrets"

func (o *user) seesSecrets() bool { return o.secrets || o.level == MayAll }

// may says what a user may do, as user add takes it.
func (o *user) may() string {
	if o.secrets {
		return o.level.String() + " " + maySecrets
	}
	return o.level.String()
}

// users are those who may log in at the serial ports; while there are none, whoever
// is at one may do everything. They are in a file of their own, and no part
// of the configuration: a roll-back must not bring an old password back.
type users struct {
	file string

	mu     sync.Mutex
	list   []user
	broken error // why the file cannot be read: nobody may log in then

	trying sync.Mutex // one password at a time is tried: it takes memory and time
	wrong  int        // passwords in a row
}

func openUsers(file string) *users {
	u := &users{file: file}
	text, _, err := read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return u
	}
	if err == nil {
		u.list, err = parseUsers(text)
	}
	u.broken = err
	return u
}

// secretsLine begins the line of who may see secrets. Releases that do not know it take it
// for a comment, so that one that comes back lets everybody in, without that right.
const secretsLine = "# may see secrets:"

// parseUsers reads lines of a name, a level and a hash.
func parseUsers(text []byte) (list []user, err error) {
	var seers []string
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if names, ok := strings.CutPrefix(s.Text(), secretsLine); ok {
			seers = strings.Fields(names)
		}
		f := strings.Fields(s.Text())
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		if len(f) != 3 || len(list) == maxUsers || checkUser(f[0]) != nil {
			return nil, fmt.Errorf("users: not understood: %.40q", s.Text())
		}
		level, err := parseLevel(f[1])
		if err != nil {
			return nil, err
		}
		if _, err := bcrypt.Cost([]byte(f[2])); err != nil {
			return nil, fmt.Errorf("users: %s: %w", f[0], err)
		}
		list = append(list, user{name: f[0], level: level, hash: f[2]})
	}
	for i := range list {
		list[i].secrets = slices.Contains(seers, list[i].name)
	}
	return list, nil
}

func checkUser(name string) error {
	if name == "" || len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return fmt.Errorf("%q: a user's name is 1 to 32 letters, digits, '-', '_' or '.'", name)
	}
	return nil
}

// wanted says whether somebody has to log in.
func (u *users) wanted() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.broken != nil || len(u.list) > 0
}

func (u *users) has(name string) bool {
	return slices.ContainsFunc(u.all(), func(o user) bool { return o.name == name })
}

func (u *users) all() []user {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.list)
}

// change writes the list that f makes of the one there is.
func (u *users) change(f func([]user) ([]user, error)) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	list, err := f(slices.Clone(u.list))
	if err != nil {
		return err
	}
	switch {
	case len(list) > maxUsers:
		return fmt.Errorf("there are at most %d users", maxUsers)
	case len(list) > 0 && !slices.ContainsFunc(list, func(o user) bool { return o.level == MayAll }):
		return errors.New("one user at least has to be admin, or nobody could change anything any more")
	}
	var b strings.Builder
	b.WriteString("# who may log in at the serial ports: name, level, bcrypt of the password\n")
	seers := secretsLine
	for _, o := range list {
		fmt.Fprintf(&b, "%s %s %s\n", o.name, o.level, o.hash)
		if o.secrets {
			seers += " " + o.name
		}
	}
	if seers != secretsLine {
		b.WriteString(seers + "\n")
	}
	if err := durable.Write(u.file, []byte(b.String()), 0o600); err != nil {
		return err
	}
	u.list, u.broken = list, nil
	return nil
}

// try checks a password. A wrong one takes longer each time, for everybody; what it
// takes does not tell whether there is such a user.
func (u *users) try(ctx context.Context, name, password string) (who user, ok bool) {
	u.trying.Lock()
	defer u.trying.Unlock()
	who.hash = nobodysHash
	for _, o := range u.all() {
		if o.name == name {
			who, ok = o, true
		}
	}
	if bcrypt.CompareHashAndPassword([]byte(who.hash), []byte(password)) == nil && ok {
		u.wrong = 0
		return who, true
	}
	delay := min(firstDelay<<min(u.wrong, 8), mostDelay)
	u.wrong++
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	}
	return user{}, false
}

// needs is the level that a command asks for. One that is not named here changes
// something.
func (c *command) needs() Level {
	switch c.path[0] {
	case "show", "follow", "monitor", "help", "exit", "quit", "test", "ping", "resolve", "identify", "password":
		return MayRead
	case "mark", "capture", "support", "unpin":
		return MayOperate
	}
	return MayAll
}

// effects says whether a command does something at once, and nothing that is written down
// elsewhere, as a commit is.
func (c *command) effects() bool {
	switch c.path[0] {
	case "set", "delete", "check", "rollback", "update", "load", "save", "commit", "confirm", "abort", "setup":
		return false
	}
	return c.needs() > MayRead || c.path[0] == "password"
}

// usersFile and auditFile are beside the configuration file.
func (h *history) usersFile() string { return h.file + ".users" }
func (h *history) auditFile() string { return h.file + ".audit" }

// login asks who is there, if anybody has to. ok is false when the session ends.
func (s *session) login() (ok bool) {
	u := s.c.users
	s.level = MayAll
	if s.name == Socket || !u.wanted() {
		return true
	}
	s.level = MayRead
	if u.broken != nil {
		s.t.print("The list of users cannot be read: " + printable(u.broken.Error()) + "\n")
	}
	for s.t.err == nil && s.ctx.Err() == nil {
		name, err := s.t.readLine("login: ", nil)
		if errors.Is(err, errInterrupted) || err == nil && strings.TrimSpace(name) == "" {
			continue
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return false
		}
		name = strings.TrimSpace(name)
		if name == resetName && s.present() {
			return true
		}
		password, err := s.secret("password: ")
		if errors.Is(err, errInterrupted) {
			continue
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return false
		}
		who, ok := u.try(s.ctx, name, password)
		if !ok {
			if !s.c.users.has(name) {
				name = "an unknown name" // it may be a password, typed too early
			}
			s.audited("wrong password for " + name)
			s.t.print("That is not right.\n")
			continue
		}
		s.c.known(s, name)
		s.level, s.rights.secrets, s.t.idle = who.level, who.seesSecrets(), idleAtMost
		s.audited("logged in")
		return true
	}
	return false
}

// resetName is who logs in with the box's button in place of a password.
const resetName = "reset"

// present forgets all users if the box's button is held: who can do that can take the
// disk out, too.
func (s *session) present() bool {
	if s.c.o.Pressed == nil || !s.c.o.Pressed() {
		s.t.print("To forget all users, hold the box's button (for less than 5 seconds) and log in as reset once more.\n")
		return false
	}
	if err := s.c.users.change(func([]user) ([]user, error) { return nil, nil }); err != nil {
		s.t.print(printable(err.Error()) + "\n")
		return false
	}
	s.level = MayAll
	s.audited("all users forgotten: the box's button was held")
	s.t.print("All users are forgotten: nobody has to log in any more. user add NAME admin makes one.\n")
	return true
}

// secret reads what is not to be seen.
func (s *session) secret(prompt string) (string, error) {
	s.t.hidden = true
	defer func() { s.t.hidden = false }()
	return s.t.readLine(prompt, nil)
}

// newPassword asks for one, twice, and returns its hash.
func (s *session) newPassword() (string, error) {
	first, err := s.secret("new password: ")
	if err != nil {
		return "", err
	}
	if len(first) < minPassword || len(first) > maxPassword {
		return "", fmt.Errorf("a password has %d to %d octets", minPassword, maxPassword)
	}
	again, err := s.secret("once more: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("that was not the same twice")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(first), bcrypt.DefaultCost)
	return string(hash), err
}

func userCommands() []command {
	names := func(s *session, typed []string) (out []hint) {
		if len(typed) == 0 {
			for _, o := range s.c.users.all() {
				out = append(out, hint{word: o.name, help: o.may()})
			}
		}
		return out
	}
	return []command{
		{path: words("user add"), args: "NAME read|operate|admin [secrets]", help: "have somebody log in at the serial ports; from the first one on, everybody has to", hints: func(_ *session, typed []string) []hint {
			switch len(typed) {
			case 0:
				return []hint{{word: "NAME", help: "letters, digits, '-', '_' and '.'", free: true}}
			case 1:
				return []hint{{word: "read", help: "may look at everything but secrets"}, {word: "operate", help: "and set marks, capture to files"}, {word: "admin", help: "may do everything"}}
			case 2:
				return []hint{{word: maySecrets, help: "may say unlocked in capture to file, too, as an admin may: nothing is blanked in it then"}}
			}
			return nil
		}, run: (*session).userAdd},
		{path: words("user delete"), args: "NAME", help: "take a user away; without any, nobody has to log in", hints: names, run: (*session).userDelete},
		{path: words("password"), args: "[NAME]", help: "change your password, or that of another user", hints: names, run: (*session).password},
		{path: words("show users"), help: "who may log in at the serial ports, and what each may do", run: plain((*session).showUsers)},
		{path: words("show audit"), args: "[N]", help: "who has done what, the newest last", hints: func(_ *session, typed []string) []hint {
			if len(typed) > 0 {
				return nil
			}
			return []hint{{word: "N", help: fmt.Sprintf("how many lines; default: %d", auditShown), free: true}}
		}, run: (*session).showAudit},
	}
}

func (s *session) userAdd(typed []string) (string, error) {
	if len(typed) != 2 && (len(typed) != 3 || typed[2] != maySecrets) {
		return "", errUsage
	}
	o := user{name: typed[0], secrets: len(typed) == 3}
	level, err := parseLevel(typed[1])
	if o.level = level; err == nil && o.secrets && level != MayOperate {
		err = fmt.Errorf("%s is for a user who may operate: one who may only read captures nothing, and an admin has that right", maySecrets)
	}
	if err == nil {
		err = checkUser(typed[0])
	}
	if err == nil && typed[0] == resetName {
		err = fmt.Errorf("%s is who holds the box's button", resetName)
	}
	if err == nil && level != MayAll && len(s.c.users.all()) == 0 {
		err = errors.New("the first user has to be admin")
	}
	if err != nil {
		return "", err
	}
	if o.hash, err = s.newPassword(); err != nil {
		return "", err
	}
	err = s.c.users.change(func(list []user) ([]user, error) {
		if slices.ContainsFunc(list, func(o user) bool { return o.name == typed[0] }) {
			return nil, fmt.Errorf("there is a user %s already; password %s changes the password", typed[0], typed[0])
		}
		return append(list, o), nil
	})
	if err != nil {
		return "", err
	}
	return "added: sessions at serial ports that begin from now on ask who is there\n", nil
}

func (s *session) userDelete(typed []string) (string, error) {
	if len(typed) != 1 {
		return "", errUsage
	}
	err := s.c.users.change(func(list []user) ([]user, error) {
		rest := slices.DeleteFunc(slices.Clone(list), func(o user) bool { return o.name == typed[0] })
		if len(rest) == len(list) {
			return nil, fmt.Errorf("there is no user %s", typed[0])
		}
		return rest, nil
	})
	if err != nil {
		return "", err
	}
	if !s.c.users.wanted() {
		return "deleted; there is none left: nobody has to log in any more\n", nil
	}
	return "deleted; sessions of this user go on until they end\n", nil
}

func (s *session) password(typed []string) (string, error) {
	name := s.user
	switch {
	case len(typed) > 1:
		return "", errUsage
	case len(typed) == 1:
		name = typed[0]
	}
	switch {
	case name == "":
		return "", errors.New("nobody has logged in here: password NAME")
	case name != s.user && s.level < MayAll:
		return "", errNotAllowed
	case !slices.ContainsFunc(s.c.users.all(), func(o user) bool { return o.name == name }):
		return "", fmt.Errorf("there is no user %s", name)
	}
	hash, err := s.newPassword()
	if err != nil {
		return "", err
	}
	return "changed\n", s.c.users.change(func(list []user) ([]user, error) {
		for i := range list {
			if list[i].name == name {
				list[i].hash = hash
			}
		}
		return list, nil
	})
}

func (s *session) showUsers() (string, error) {
	var b strings.Builder
	for _, o := range s.c.users.all() {
		fmt.Fprintf(&b, "%-20s %s\n", o.name, o.may())
	}
	if b.Len() == 0 {
		return "# nobody has to log in; user add NAME admin changes that\n", nil
	}
	return b.String(), nil
}

var errNotAllowed = errors.New("not allowed: it takes more rights than yours")
