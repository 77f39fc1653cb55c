package mask

import "testing"

func TestSecret(t *testing.T) {
	for _, name := range []string{
		"password", "Password", "PASSWORD", "user_password", "userPassword", "p%61ssword", `p\u0061ssword`, "p&#97;ssword", "p%2561ssword",
		"passwd", "pwd", "ice-pwd", "pass", "sip_pass", "secret", "client-secret", "clientSecret", "token", "access_token", "X-Auth-Token", "tokens",
		"api_key", "apiKey", "API-Key", "apikey", "APIKEY", "X-Api-Key", "key", "masterKey", "master-key", "aws_secret_access_key", "auth", "basicAuth",
		"pin", "PIN", "userPin", "voicemail_pin", "pin2", "ha1", "HA1", "ha1b", "nonce", "cnonce", "Authorization", "Proxy-Authorization", "Cookie",
		"Set-Cookie", "user[password]", "credentials", "sig", "X-Amz-Signature", "psk", "otp", " password ", "pass word",
	} {
		if !Secret([]byte(name)) {
			t.Errorf("%q is no secret", name)
		}
	}
	for _, name := range []string{
		"", "user", "shipping", "opinion", "monkey", "keyboard", "public_key", "Sec-WebSocket-Key", "author", "authorized", "number", "Call-ID",
		"Session-ID", "traceparent", "response", "bypass", "compass", "passenger", "id", "host", "Content-Type", "X-Forwarded-For", "signal", "keys_count",
	} {
		if Secret([]byte(name)) {
			t.Errorf("%q is a secret", name)
		}
	}
}

func TestHeader(t *testing.T) {
	for _, c := range [][3]string{
		{"Authorization", "Bearer abcdef", "Bearer ***"},
		{"authorization", "basic dXNlcjpwYXNz", "basic ***"},
		{"AUTHORIZATION", "my secret", "***"},
		{"Proxy-Authorization", `Digest username="bob", response="0123"`, "Digest ***"},
		{"WWW-Authenticate", `Digest realm="x", nonce="abc"`, "Digest ***"},
		{"Cookie", "a=b; c=d", "***"},
		{"Set-Cookie", "sid=abc; Path=/", "***"},
		{"X-Api-Key", "k1", "***"},
		{"X-Auth-Token", "", ""},
		{"Referer", "http://h/a?token=abcd&x=1", "http://h/a?token=***&x=1"},
		{"Location", "https://bob:secret@h/x", "https://bob:***@h/x"},
		{"Host", "example.com:8080", "example.com:8080"},
		{"User-Agent", "curl/8.5.0", "curl/8.5.0"},
		{"Content-Type", "application/json; charset=utf-8", "application/json; charset=utf-8"},
	} {
		if got := string(AppendHeader(nil, []byte(c[0]), []byte(c[1]))); got != c[2] {
			t.Errorf("%s: %s is %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

func TestURL(t *testing.T) {
	for _, c := range [][2]string{
		{"/route?to=4930&token=abc&x=1", "/route?to=4930&token=***&x=1"},
		{"/route?TOKEN=abc", "/route?TOKEN=***"},
		{"/route?t%6Fken=abc#frag", "/route?t%6Fken=***#frag"},
		{"/route?token=a&token=b", "/route?token=***&token=***"},
		{"/route?token=&x=1", "/route?token=&x=1"},
		{`/r?password="a b"&x=1`, `/r?password=***&x=1`},
		{"http://user:pw@host:80/x?a=1", "http://user:***@host:80/x?a=1"},
		{"http://user:p/w@host:80/x", "http://user:***@host:80/x"},
		{"http://host:8080/x:y@z", "http://host:8080/x:y@z"},
		{"http://[::1]:8080/", "http://[::1]:8080/"},
		{"http://user@host/", "http://user@host/"},
		{"http://u:p@[::1]:8080/", "http://u:***@[::1]:8080/"},
		{"sip:bob:1234@example.com;lr", "sip:bob:***@example.com;lr"},
		{"sip:bob@example.com:5060;lr", "sip:bob@example.com:5060;lr"},
		{"/cb?u=https%3A%2F%2Fh%2F%3Ftoken%3Dabc%26x%3D1&y=2", "/cb?u=https%3A%2F%2Fh%2F%3Ftoken%3D***%26x%3D1&y=2"},
		{"/api/%2B4930123456", "/api/%2B4930123456"},
	} {
		if got := string(AppendURL(nil, []byte(c[0]))); got != c[1] {
			t.Errorf("%s is\n%q, want\n%q", c[0], got, c[1])
		}
	}
}

func TestBody(t *testing.T) {
	for _, c := range [][3]string{
		{"application/x-www-form-urlencoded", "user=bob&password=a%26b;c&x=1", "user=bob&password=***&x=1"},
		{"application/x-www-form-urlencoded", "user=bob&password=abcd", "user=bob&password=***"},
		{"application/x-www-form-urlencoded", "payload=%7B%22password%22%3A%22abc%22%2C%22x%22%3A1%7D", "payload=%7B%22password%22%3A%22***%22%2C%22x%22%3A1%7D"},
		{"application/json", `{"user":"bob","password":"a\"b","n":1}`, `{"user":"bob","password":"***","n":1}`},
		{"application/json", `{"Pass\u0077ord" : "abc"}`, `{"Pass\u0077ord" : "***"}`},
		{"application/json", `{"pin":12345,"x":[1]}`, `{"pin":"***","x":[1]}`},
		{"application/json", `{"auth":{"user":"a","x":["}"]},"y":2}`, `{"auth":"***","y":2}`},
		{"application/json", `{"tokens":["a","b"],"y":2}`, `{"tokens":"***","y":2}`},
		{"application/json", `{"s":"{\"password\":\"a\\\"b\",\"x\":1}","y":2}`, `{"s":"{\"password\":\"***\",\"x\":1}","y":2}`},
		{"application/json", `{"s":"{\"pin\":12345,\"x\":1}","y":2}`, `{"s":"{\"pin\":\"***\",\"x\":1}","y":2}`},
		{"application/json", `{"url":"http://h/?a=1\u0026token=abc\u0026b=2","y":2}`, `{"url":"http://h/?a=1\u0026token=***\u0026b=2","y":2}`},
		{"application/json", `{"url":"http:\/\/u:p4ss@h\/","y":2}`, `{"url":"http:\/\/u:***@h\/","y":2}`},
		{"application/json", `{"name":"password","value":"abc"}`, `{"name":"password","value":"***"}`},
		{"application/json", `{"password":"abc`, `{"password":"***`},
		{"application/json", `{"msg":"password=","y":"z"}`, `{"msg":"password=","y":"z"}`},
		{"application/json", `{"response":{"code":200}}`, `{"response":{"code":200}}`},
		{"text/plain", `response="0123456789abcdef0123456789abcdef"`, `response="***"`},
		{"text/xml", `<a><password>abc</password><b>1</b></a>`, `<a><password>***</password><b>1</b></a>`},
		{"text/xml", `<a><x:Password k="1"><![CDATA[</x:Password>]]></x:Password><b/></a>`, `<a><x:Password k="1">***</x:Password><b/></a>`},
		{"text/xml", `<a password='abc' u="1"/>`, `<a password='***' u="1"/>`},
		{"text/xml", `<param name="password" value="abc"/><p name="x" value="y"/>`, `<param name="password" value="***"/><p name="x" value="y"/>`},
		{"text/xml", `<param name="password">abc</param>`, `<param name="password">***</param>`},
		{"text/xml", `<member><name>password</name><value><string>abc</string></value></member><m>1</m>`, `<member><name>password</name><value>***</value></member><m>1</m>`},
		{"text/xml", `<m>&lt;password&gt;abc&lt;/password&gt;&lt;x/&gt;</m>`, `<m>&lt;password&gt;***&lt;/password&gt;&lt;x/&gt;</m>`},
		{"text/xml", `<password>abc`, `<password>***`},
		{"text/plain", "user: bob\r\npassword : my secret\r\nx: y\r\n", "user: bob\r\npassword : ***\r\nx: y\r\n"},
		{"text/plain", "user=bob password=abc result=ok", "user=bob password=*** result=ok"},
		{"text/plain", "PIN code: 1234\nok", "PIN code: ***\nok"},
		{"text/plain", "Authorization: Basic dXNlcjpwYXNz=\r\n", "Authorization: ***\r\n"},
		{"application/sdp", "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\na=sendrecv\r\n",
			"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^20|1:4\r\na=sendrecv\r\n"},
		{"application/sdp", "v=0\r\nk=clear:abcd\r\na=ice-pwd:asdf\r\n", "v=0\r\nk=***\r\na=ice-pwd:***\r\n"},
		{"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nabc\r\ndef\r\n--x\r\nContent-Disposition: form-data; name=\"u\"\r\n\r\nbob\r\n--x--",
			"--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n***\r\n--x\r\nContent-Disposition: form-data; name=\"u\"\r\n\r\nbob\r\n--x--"},
		{"", `{"a":1}`, `{"a":1}`},
	} {
		if got := string(AppendBody(nil, []byte(c[0]), []byte(c[1]))); got != c[2] {
			t.Errorf("%s is\n%q, want\n%q", c[1], got, c[2])
		}
	}
}

func TestHead(t *testing.T) {
	head := "GET http://u:p@h/?pin=1234 HTTP/1.1\r\nHost: h\r\nAuthorization:  Bearer\r\n abc\r\nX: y\r\n\r\n"
	want := "GET http://u:***@h/?pin=*** HTTP/1.1\r\nHost: h\r\nAuthorization:  ***\r\nX: y\r\n\r\n"
	if got := string(AppendHead(nil, []byte(head))); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
