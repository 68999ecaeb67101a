package github

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// claims are those of a JSON web token (RFC 7519) that somebody here looks at.
type claims struct {
	Issuer  json.RawMessage `json:"iss,omitempty"` // a number or a string
	Subject string          `json:"sub,omitempty"`
	Issued  int64           `json:"iat,omitempty"`
	Expires int64           `json:"exp"`
}

// jsonWebToken is a token taken apart, its signature not looked at.
type jsonWebToken struct {
	algorithm string
	claims    claims
	signed    string
	signature []byte
}

func parseJWT(token string) (jsonWebToken, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return jsonWebToken{}, errors.New("cannot parse token: not three parts")
	}
	t := jsonWebToken{signed: parts[0] + "." + parts[1]}
	var header struct {
		Algorithm string `json:"alg"`
	}
	for i, value := range []any{&header, &t.claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return t, err
		}
		decoder := json.NewDecoder(bytes.NewReader(raw))
		if err := decoder.Decode(value); err != nil {
			return t, err
		}
	}
	t.algorithm = header.Algorithm
	var err error
	t.signature, err = base64.RawURLEncoding.DecodeString(parts[2])
	return t, err
}

// issuer is the claim as text, whether it was sent as a number or as a string.
func (t jsonWebToken) issuer() string { return strings.Trim(string(t.claims.Issuer), `"`) }

func (t jsonWebToken) signedBy(key *rsa.PublicKey) bool {
	sum := sha256.Sum256([]byte(t.signed))
	return t.algorithm == "RS256" && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], t.signature) == nil
}

// issue signs a token of the Actions service for what the subject names.
func (s *Server) issue(subject string, lifetime time.Duration) string {
	encode := func(value any) string {
		raw, err := json.Marshal(value)
		if err != nil {
			panic(err) // strings and numbers only
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	now := time.Now()
	signed := encode(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." +
		encode(claims{Subject: subject, Issued: now.Unix(), Expires: now.Add(lifetime).Unix()})
	return signed + "." + base64.RawURLEncoding.EncodeToString(s.mac(signed))
}

// subject returns what an Actions service token was issued for, "" when it was not issued here or has expired.
func (s *Server) subject(token string) string {
	t, err := parseJWT(token)
	if err != nil || !hmac.Equal(t.signature, s.mac(t.signed)) || time.Now().Unix() >= t.claims.Expires {
		return ""
	}
	return t.claims.Subject
}

func (s *Server) mac(text string) []byte {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
