// An OpenID provider with people of every role, for trying Concord out and for tests. DEMO ONLY: the passwords are in a file.
//
// All of the protocol is the example server of a library that the OpenID Foundation has certified. What is added here: people
// from a file with what a federation says of them (groups and eduperson_assurance in the user info, acr in the ID token), a new
// signing key and a back-channel logout on demand.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// What the file says of one person.
type person struct {
	ID            string   `json:"id"`
	Username      string   `json:"username"`
	Password      string   `json:"password"`
	Name          string   `json:"name"`
	Email         string   `json:"email"`
	EmailVerified bool     `json:"emailVerified"`
	Groups        []string `json:"groups"`
	Assurance     []string `json:"assurance"`
	ACR           string   `json:"acr"`
}

type people []person

func (all people) GetUserByID(id string) *storage.User {
	return all.first(func(p person) bool { return p.ID == id })
}

func (all people) GetUserByUsername(name string) *storage.User {
	return all.first(func(p person) bool { return p.Username == name })
}

func (all people) ExampleClientID() string { return storage.ServiceUserID }

func (all people) first(wanted func(person) bool) *storage.User {
	for _, p := range all {
		if wanted(p) {
			return &storage.User{ID: p.ID, Username: p.Username, Password: p.Password,
				FirstName: p.Name, Email: p.Email, EmailVerified: p.EmailVerified}
		}
	}
	return nil
}

// The library's storage, with what a federation adds and with keys that change.
type federation struct {
	*storage.Storage
	people      people
	afterLogout string
	lock        sync.Mutex
	keys        []key
}

func (f *federation) find(id string) (person, bool) {
	for _, p := range f.people {
		if p.ID == id {
			return p, true
		}
	}
	return person{}, false
}

// The ID token says how the person logged in; everything else is in the user info, as federations have it.
func (f *federation) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	if p, ok := f.find(request.GetSubject()); ok && p.ACR != "" {
		info.AppendClaims("acr", p.ACR)
	}
	return f.Storage.SetUserinfoFromRequest(ctx, info, request, scopes)
}

func (f *federation) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	if err := f.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin); err != nil {
		return err
	}
	if p, ok := f.find(info.Subject); ok {
		info.Name, info.GivenName, info.FamilyName = p.Name, "", ""
		info.AppendClaims("groups", p.Groups)
		info.AppendClaims("eduperson_assurance", p.Assurance)
	}
	return nil
}

// A client that may send the browser back after a logout.
type client struct {
	op.Client
	afterLogout string
}

func (c client) PostLogoutRedirectURIs() []string { return []string{c.afterLogout} }

func (f *federation) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	found, err := f.Storage.GetClientByClientID(ctx, id)
	if err != nil || f.afterLogout == "" {
		return found, err
	}
	return client{found, f.afterLogout}, nil
}

// One signing key.
type key struct {
	id      string
	private *rsa.PrivateKey
}

func (k key) ID() string                                  { return k.id }
func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k key) Algorithm() jose.SignatureAlgorithm          { return jose.RS256 }
func (k key) Use() string                                 { return "sig" }

type signingKey struct{ key }

func (k signingKey) Key() any { return k.private }

type publicKey struct{ key }

func (k publicKey) Key() any { return &k.private.PublicKey }

// The previous key stays published, so that what it has signed can still be verified.
func (f *federation) rotate() error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	f.lock.Lock()
	defer f.lock.Unlock()
	f.keys = append([]key{{uuid.NewString(), private}}, f.keys...)
	f.keys = f.keys[:min(len(f.keys), 2)]
	return nil
}

func (f *federation) newest() key {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.keys[0]
}

func (f *federation) SigningKey(context.Context) (op.SigningKey, error) {
	return signingKey{f.newest()}, nil
}

func (f *federation) KeySet(context.Context) ([]op.Key, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	var keys []op.Key
	for _, k := range f.keys {
		keys = append(keys, publicKey{k})
	}
	return keys, nil
}

// Tells a relying party that a person's sessions have ended: OpenID Connect Back-Channel Logout 1.0.
func (f *federation) tellLogout(issuer, audience, subject, address string) error {
	k := f.newest()
	options := (&jose.SignerOptions{}).WithType("logout+jwt").WithHeader("kid", k.id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: k.private}, options)
	if err != nil {
		return err
	}
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": issuer, "aud": audience, "sub": subject, "jti": uuid.NewString(),
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}).Serialize()
	if err != nil {
		return err
	}
	answer, err := http.PostForm(address, url.Values{"logout_token": {token}})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, answer.Status)
	}
	return nil
}

// What an administrator of a provider does: POST /operations/rotate, POST /operations/logout?subject=ID.
func operations(f *federation, issuer, audience, address string) http.Handler {
	routes := http.NewServeMux()
	answer := func(w http.ResponseWriter, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	routes.HandleFunc("POST /operations/rotate", func(w http.ResponseWriter, _ *http.Request) { answer(w, f.rotate()) })
	routes.HandleFunc("POST /operations/logout", func(w http.ResponseWriter, r *http.Request) {
		if address == "" {
			answer(w, errors.New("started without -back-channel"))
			return
		}
		answer(w, f.tellLogout(issuer, audience, r.FormValue("subject"), address))
	})
	return routes
}

func read(file string) (people, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var all people
	if err := decoder.Decode(&all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

func main() {
	port := flag.Int("port", 9998, "port on 127.0.0.1")
	file := flag.String("people", "people.json", "who can log in")
	id := flag.String("client", "concord", "name of the one relying party")
	secret := flag.String("secret", "concord-demo", "its secret")
	redirects := flag.String("redirect", "http://127.0.0.1:8081/callback", "where it gets its codes; several with commas")
	after := flag.String("after-logout", "", "where browsers go after a logout")
	backChannel := flag.String("back-channel", "", "where it is told of logouts")
	flag.Parse()

	all, err := read(*file)
	if err != nil {
		log.Fatal(err)
	}
	storage.RegisterClients(storage.WebClient(*id, *secret, strings.Split(*redirects, ",")...))
	f := &federation{Storage: storage.NewStorage(all), people: all, afterLogout: *after}
	if err := f.rotate(); err != nil {
		log.Fatal(err)
	}
	// No trailing slash would be nicer, but this is how the example server names itself.
	issuer := fmt.Sprintf("http://localhost:%d/", *port)
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	routes := http.NewServeMux()
	routes.Handle("/operations/", operations(f, issuer, *id, *backChannel))
	routes.Handle("/", exampleop.SetupServer(issuer, f, logger, false))
	address := fmt.Sprintf("127.0.0.1:%d", *port)
	logger.Info("DEMO OpenID provider", "issuer", issuer, "people", len(all))
	log.Fatal(http.ListenAndServe(address, routes))
}
