package mi

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"heptap/capture/mask"
)

// maxMasked is how much of a text is looked at before what is left of it after
// masking is cut to its limit.
const maxMasked = 64 << 10

// secretive are the commands that carry or tell credentials without naming
// them, in lower case. A * at the end stands for any rest.
var secretive = [numBackends][]string{
	OpenSIPS:   {"reg_upsert", "uac_registrant:upsert"},
	Kamailio:   {"uac.reg_add", "auth_ephemeral.*"},
	FreeSWITCH: {"auth", "userauth", "user_data", "xml_locate", "find_user_xml"},
	Asterisk: {"login", "challenge", "getconfig", "getconfigjson", "updateconfig", "listcategories",
		"command sip show users", "command iax2 show users", "command database show*", "command database query*", "command manager show user*",
		"command pjsip show auth*", "command pjsip export*"},
}

// isSecretive says whether a command deals in credentials, whatever its
// parameters. Letter case does not count: two of the platforms ignore it.
func isSecretive(b Backend, command string) bool {
	for _, s := range secretive[b] {
		if stem, ok := strings.CutSuffix(s, "*"); ok {
			if len(command) >= len(stem) && strings.EqualFold(command[:len(stem)], stem) {
				return true
			}
		} else if strings.EqualFold(command, s) {
			return true
		}
	}
	return mask.Secret([]byte(command))
}

// protect sets the parameters of a request from text that is not masked yet.
func (r *Request) protect(params []byte, contentType string) {
	r.Secret = r.Secret || isSecretive(r.Backend, r.Command)
	if !r.Secret && len(params) > 0 {
		if contentType == jsonType {
			r.Secret = jsonNamesSecret(params)
		} else {
			r.Secret = namesSecret(params)
		}
	}
	switch {
	case r.Secret:
		r.Params, r.Cut = mask.Text, false
	default:
		var cut bool
		r.Params, cut = masked(params, contentType, MaxParams)
		r.Cut = r.Cut || cut
	}
}

const (
	jsonType = "application/json"
	textType = "text/plain"
	xmlType  = "text/xml"
)

// reply sets word and output from texts that are not masked yet.
func (r *Reply) reply(word, output []byte, contentType string, hide bool) {
	if r.Hidden = hide; hide {
		r.Cut = false
		if len(output) > 0 {
			r.Output = mask.Text
		}
		return
	}
	r.Word, _ = masked(word, textType, maxWord)
	var cut bool
	r.Output, cut = masked(output, contentType, MaxOutput)
	r.Cut = r.Cut || cut
}

// masked returns text without its secrets, at most limit octets of it, and
// whether there was more.
func masked(text []byte, contentType string, limit int) (string, bool) {
	text = bytes.Trim(text, " \t\r\n\x00")
	if len(text) == 0 {
		return "", false
	}
	cut := len(text) > maxMasked
	b := mask.AppendBody(nil, []byte(contentType), text[:min(len(text), maxMasked)])
	s, rest := cleaned(b, limit)
	return s, cut || rest
}

// clean returns b as valid UTF-8 of at most limit octets, without control
// characters other than the ends of lines and tabs.
func clean(b []byte, limit int) string {
	s, _ := cleaned(b, limit)
	return s
}

// cleaned is clean, and says whether there was more.
func cleaned(b []byte, limit int) (s string, more bool) {
	out := make([]byte, 0, min(len(b), limit))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f {
			r = utf8.RuneError
		}
		if len(out)+utf8.RuneLen(r) > limit {
			return string(out), true
		}
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return string(out), false
}

// namesSecret says whether a word of a text is the name of a secret and not the
// label of what follows: masking finds name=value and name: value by itself, and
// cannot know the value that is fetched by a name, or follows after a blank.
func namesSecret(text []byte) bool {
	for i := 0; i < len(text); {
		if !nameByte(text[i]) {
			i++
			continue
		}
		start := i
		for i < len(text) && nameByte(text[i]) {
			i++
		}
		labels := i < len(text) && (text[i] == '=' || text[i] == ':')
		if !labels && i-start <= maxCommand && mask.Secret(text[start:i]) {
			return true
		}
	}
	return false
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' || c == '\\' || c == '%'
}

// jsonNamesSecret is namesSecret for the strings of a JSON text that are not
// names of members.
func jsonNamesSecret(b []byte) bool {
	for i := 0; i < len(b); {
		if b[i] != '"' {
			i++
			continue
		}
		end, whole := stringEnd(b, i)
		s := b[i+1 : end]
		if whole {
			s = b[i+1 : end-1]
		}
		i = blank(b, end)
		if i < len(b) && b[i] == ':' {
			continue
		}
		if bytes.IndexByte(s, '\\') >= 0 {
			s = unquote(nil, s)
		}
		if namesSecret(s) {
			return true
		}
	}
	return false
}
