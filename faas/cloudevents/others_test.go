package cloudevents_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/faas/cloudevents"
	codec "github.com/stateway/stateway/faas/group"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/reqreply"
)

// plainFunction is a function server that knows CloudEvents only, by the CloudEvents SDK: it echoes each item's state as it was asked to.
func plainFunction(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var asked []event.Event
		if err == nil {
			err = json.Unmarshal(body, &asked)
		}
		if err != nil {
			t.Errorf("not a batch: %v", err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answers := []event.Event{}
		for _, e := range asked {
			if err := e.Validate(); err != nil {
				t.Errorf("event %s: %v", e.ID(), err)
			}
			answers = append(answers, answerOf(t, &e))
		}
		w.Header().Set("Content-Type", event.ApplicationCloudEventsBatchJSON)
		if err := json.NewEncoder(w).Encode(answers); err != nil {
			t.Error(err)
		}
	}
}

// answerOf answers one event: with a state of its Address's id, or as poison.
func answerOf(t *testing.T, e *event.Event) event.Event {
	t.Helper()
	var to reqreply.ToFunction
	if err := proto.Unmarshal(e.Data(), &to); err != nil {
		t.Errorf("event %s: %v", e.ID(), err)
	}
	a := event.New()
	a.SetID(e.ID())
	a.SetSource("test")
	if to.GetInvocation().GetTarget().GetId() == "poison" {
		a.SetType("io.stateway.v1.Error")
		a.SetExtension("errorkind", "poison")
		_ = a.SetData("text/plain", "this one fails")
		return a
	}
	body, err := proto.Marshal(&reqreply.FromFunction{Response: &reqreply.FromFunction_InvocationResult{
		InvocationResult: &reqreply.FromFunction_InvocationResponse{StateMutations: []*reqreply.FromFunction_PersistedValueMutation{
			{MutationType: reqreply.FromFunction_PersistedValueMutation_MODIFY, StateName: "count", StateValue: &reqreply.TypedValue{Typename: "io.statefun.types/int", HasValue: true}},
		}},
	}})
	if err != nil {
		t.Error(err)
	}
	a.SetType("io.stateway.v1.FromFunction")
	_ = a.SetData("application/protobuf", body)
	return a
}

// A server that is written with the CloudEvents SDK alone understands groups and is understood.
func TestCloudEventsSDK(t *testing.T) {
	_, url := serve(t, announced(t, group.Encodings(0).With(group.JSON), plainFunction(t)))
	r := newRig(t, at(url))
	counted(t, r.ask(t, groupOf("a")), 1)
	counted(t, r.ask(t, groupOf(many(100)...)), 100)
	o := r.ask(t, groupOf("a", "poison"))
	if len(o.Items) != 2 || o.Items[0].Response == nil || o.Items[1].Reason == "" {
		t.Errorf("got %+v", o)
	}
}

// HTTP/2 is spoken from the first byte where the settings say so.
func TestHTTP2WithoutTLS(t *testing.T) {
	var last atomic.Value
	app := counter(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last.Store(r.Proto)
		app.ServeHTTP(w, r)
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	cfg := at(s.URL)
	cfg.HTTP.HTTP2 = true
	r := newRig(t, cfg)
	counted(t, r.ask(t, groupOf("a")), 1)
	counted(t, r.ask(t, groupOf(many(500)...)), 500)
	if last.Load() != "HTTP/2.0" {
		t.Errorf("spoke %s", last.Load())
	}
	r.Close()
}

// pemFile writes a PEM block and returns its path.
func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// clientCertificate makes a certificate of its own authority.
func clientCertificate(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err = x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err = x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// TLS with an authority of one's own and a client certificate.
func TestTLS(t *testing.T) {
	certificate, key := clientCertificate(t)
	client, err := x509.ParseCertificate(certificate)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(counter(t))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	s.TLS.ClientCAs.AddCert(client)
	s.Config.ErrorLog = nil
	s.StartTLS()
	defer s.Close()
	cfg := at(s.URL)
	cfg.HTTP.TrustCACerts = pemFile(t, "CERTIFICATE", s.Certificate().Raw)
	cfg.HTTP.ClientCert, cfg.HTTP.ClientKey = pemFile(t, "CERTIFICATE", certificate), pemFile(t, "PRIVATE KEY", key)
	r := newRig(t, cfg)
	counted(t, r.ask(t, groupOf("a")), 1)
	counted(t, r.ask(t, groupOf(many(500)...)), 500)
	r.Close()
}

// What the size of an invocation is taken for is not less than what it takes in JSON.
func TestSize(t *testing.T) {
	asker := &codec.Asker{Source: "stateway:00112233445566778899aabbccddeeff", Call: 2 * time.Minute}
	for _, bytes := range []int{0, 10, 1000, 100_000} {
		g := groupOf("an Address", strings.Repeat("ä%", 100))
		for _, inv := range g.Items {
			inv.States[0].Value = make([]byte, bytes)
			inv.Messages[0].Caller = inv.Target
			if exact, rough := asker.Size(group.JSON, inv), cloudevents.Size(inv); rough < exact || rough > exact+1200 {
				t.Errorf("%d bytes of state: %d bytes, taken for %d", bytes, exact, rough)
			}
		}
	}
}
