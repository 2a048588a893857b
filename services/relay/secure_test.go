package relay_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/testbed"
)

// authority makes a certificate authority and a certificate of it for 127.0.0.1, and returns their files.
func authority(t *testing.T) (ca, cert, key string) {
	t.Helper()
	folder := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(folder, name)
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &rootKey.PublicKey, rootKey)
	must(err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, &leafKey.PublicKey, rootKey)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	must(err)
	return write("ca.pem", "CERTIFICATE", rootDER), write("redis.pem", "CERTIFICATE", leafDER), write("redis.key", "PRIVATE KEY", keyDER)
}

func TestFeedsGoThroughTLSAndOnlyToAServerThatTheAuthorityKnows(t *testing.T) {
	b := newBench(t)
	ca, cert, key := authority(t)
	server := testbed.FreshRedis(t, testbed.RedisOptions{CA: ca, Cert: cert, Key: key})
	b.connect("rediss://" + server.TLSAddr() + "?ca=" + url.QueryEscape(ca))
	b.run(b.relay())
	b.commit(north, 20)
	b.await(north, 20)
	b.await(feed.All, 20)
	b.wantEqual(north, 1)
	strange, _, _ := authority(t)
	for name, address := range map[string]string{
		"another authority": "rediss://" + server.TLSAddr() + "?ca=" + url.QueryEscape(strange),
		"the system's":      "rediss://" + server.TLSAddr(),
		"another name":      "rediss://" + server.TLSAddr() + "?server-name=other.example&ca=" + url.QueryEscape(ca),
	} {
		c, err := relay.Dial(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: the server was greeted (%v)", name, err)
		}
		c.Close()
	}
}

// users makes the users of the README on a server, each with the password of the README.
func (b *bench) users() {
	b.Helper()
	for _, line := range blocks(b.T, "acl") {
		words := strings.Fields(line)
		args := []any{"ACL", "SETUSER"}
		selector := ""
		for _, w := range words[1:] { // a selector in parentheses is one argument
			if selector != "" || strings.HasPrefix(w, "(") {
				selector = strings.TrimSpace(selector + " " + w)
				if !strings.HasSuffix(w, ")") {
					continue
				}
				w, selector = selector, ""
			}
			args = append(args, w)
		}
		command := func(ctx context.Context, one *redis.Client) error { return one.Do(ctx, args...).Err() }
		var err error
		if cluster, ok := b.redis.(*redis.ClusterClient); ok {
			err = cluster.ForEachMaster(b.Context(), command)
		} else {
			err = command(b.Context(), b.redis.(*redis.Client))
		}
		if err != nil {
			b.Fatalf("%s: %v", line, err)
		}
	}
}

// as is a client of a user of the README.
func (b *bench) as(user string) redis.UniversalClient {
	b.Helper()
	c, err := relay.Dial(strings.Replace(b.redisAddress, "://", "://"+user+":change-me@", 1))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func TestTheUsersOfTheReadmeMayDoTheirWorkAndNothingElse(t *testing.T) {
	for name, address := range map[string]func(*testing.T) string{
		"one server": func(t *testing.T) string { return testbed.FreshRedis(t, testbed.RedisOptions{}).URL() },
		"a cluster":  func(t *testing.T) string { return testbed.FreshRedisCluster(t, 3).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.tenant = "default"
			b.connect(address(t))
			b.users()
			b.link = b.as("rapport-relay")
			b.config.MaxLen = 48
			r := b.relay()
			b.run(r)
			b.commit(north, 20)
			b.await(north, 20)
			consumer := b.as("rapport-north")
			b.consumeAll(consumer, 20)
			b.commit(north, 30)
			b.await(north, 50)
			b.consumeAll(consumer, 50)
			b.until(func() bool { return b.ids(north)[0] == "3-0" })
			b.flush()
			b.commit(north, 1)
			b.await(north, 51)
			b.until(func() bool { return r.Lag().Connected })

			ctx, key := t.Context(), relay.Key("default", north)
			for what, err := range map[string]error{
				"a consumer writes into a stream":     consumer.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []string{"a", "b"}}).Err(),
				"a consumer deletes from a stream":    consumer.XDel(ctx, key, "50-0").Err(),
				"a consumer deletes a stream":         consumer.Del(ctx, key).Err(),
				"a consumer reads another team's":     consumer.XLen(ctx, relay.Key("default", south)).Err(),
				"a consumer empties Redis":            consumer.FlushAll(ctx).Err(),
				"the relay deletes a stream":          b.link.Del(ctx, key).Err(),
				"the relay reads for a group":         b.link.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{key, ">"}}).Err(),
				"the relay writes beside the streams": b.link.XAdd(ctx, &redis.XAddArgs{Stream: "other", Values: []string{"a", "b"}}).Err(),
				"the relay reads the configuration":   b.link.ConfigGet(ctx, "*").Err(),
			} {
				if err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
					t.Errorf("%s: %v, want NOPERM", what, err)
				}
			}
		})
	}
}

// consumeAll consumes the feed of the north team up to a number; entry 3 is poison.
func (b *bench) consumeAll(c redis.UniversalClient, last int64) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	group := client.Group{
		Tenant: string(b.tenant), Feeds: []string{string(north)}, Name: "pager", Consumer: "ann",
		Block: 20 * time.Millisecond, MinIdle: 30 * time.Millisecond, Deliveries: 2,
		OnGap: func(*client.GapError) error { return nil },
	}
	var reached atomic.Bool
	var ended error
	var consuming sync.WaitGroup
	consuming.Go(func() {
		ended = group.Consume(ctx, c, func(e client.Entry) error {
			if e.Seq == 3 {
				return errors.New("poison")
			}
			if e.Seq == last {
				reached.Store(true)
			}
			return nil
		})
	})
	letters := func() []client.Letter {
		l, err := group.Letters(context.Background(), c, string(north), "", 10)
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	b.until(func() bool { return ctx.Err() != nil || reached.Load() && len(letters()) == 1 })
	cancel()
	consuming.Wait()
	if !errors.Is(ended, context.Canceled) {
		b.Fatalf("consuming ended with %v", ended)
	}
	if back, gone, err := group.PutBack(b.Context(), c, string(north), letters()...); back != 1 || len(gone) != 0 || err != nil {
		b.Fatalf("%d dead letters went back, %v are gone (%v), want one to go back", back, gone, err)
	}
}
