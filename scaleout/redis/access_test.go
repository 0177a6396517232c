package redis_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// certify writes a certificate for the loopback address and its key into a folder, and
// returns who trusts it.
func certify(t *testing.T, folder string) (certificate, key string, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certificate, key = filepath.Join(folder, "certificate.pem"), filepath.Join(folder, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, certificate, string(text))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	trust = x509.NewCertPool()
	require.True(t, trust.AppendCertsFromPEM(text))
	return certificate, key, trust
}

// A user with the rights that the package names, and no others, over TLS and in another
// database than the first, is enough for everything.
func TestTLSAndAUserWithFewRights(t *testing.T) {
	t.Parallel()
	certificate, key, trust := certify(t, t.TempDir())
	port := freePort(t)
	server := startServer(t,
		"--tls-port", strconv.Itoa(port), "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no",
		"--user", "chat", "on", ">secret", "~signalr:*", "resetchannels", "-@all",
		"+@stream", "+@hash", "+@string", "+@transaction", "+@connection", "+expire", "+del",
	)
	client := func() *goredis.Client {
		c := goredis.NewClient(&goredis.Options{
			Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Username: "chat", Password: "secret", DB: 3,
			TLSConfig: &tls.Config{RootCAs: trust},
		})
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	require.Error(t, client().Set(t.Context(), "foreign", 1, 0).Err(), "the rights are as few as meant")
	options := []redis.Option{quick, redis.WithNodeTimeout(time.Second)}
	a, b := join(t, client(), append(options, few)...), join(t, client(), options...)
	meet(t, a, b)
	start := a.Last(0)
	for range 3 {
		a.publishNumbers(t, 1, 20)
	}
	require.NoError(t, a.Send(t.Context(), b.ID(), message("", "sent")))
	await.Until(t, func() bool { return b.has("sent") }, "node %d has delivered %q", b.ID(), "sent")
	targets, gap := a.read(t, start, 7)
	require.False(t, gap)
	require.Len(t, targets, 60)

	// One that keeps things for a short time soon removes what a dead node has left.
	tidy := join(t, client(), append(options, redis.WithRetention(time.Second))...)
	ghostly := client()
	ghost := join(t, ghostly, options...)
	meet(t, a, b, tidy, ghost)
	require.NoError(t, ghostly.Close())
	await.Until(t, func() bool {
		left, err := client().HExists(t.Context(), "signalr:{hub}:nodes", strconv.FormatUint(uint64(ghost.ID()), 10)).Result()
		return err == nil && !left
	}, "the entry of the dead node %d is removed", ghost.ID())
	require.Equal(t, scaleout.Connected, a.health())
	keys, err := server.client().Do(t.Context(), "dbsize").Int()
	require.NoError(t, err)
	require.Zero(t, keys, "all is in the database of the client's choice")
}
