package client_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestAnAddressSaysWhichRedisAndHow(t *testing.T) {
	for address, want := range map[string]string{
		"redis://a.example":                             "Redis<a.example:6379 db:0>",
		"redis://user:se%40cret@a.example:7000/3":       "Redis<a.example:7000 db:3>",
		"redis://[::1]:7000":                            "Redis<[::1]:7000 db:0>",
		"rediss://a.example/1?server-name=redis":        "Redis<a.example:6379 db:1>",
		"unix:///run/redis.sock":                        "Redis</run/redis.sock db:0>",
		"redis-sentinel://a,b:26380/rapport/2":          "FailoverClient",
		"rediss-sentinel://u:p@a,b/rapport?pool-size=4": "FailoverClient",
	} {
		c, err := client.Dial(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		single, ok := c.(*redis.Client)
		if !ok {
			t.Errorf("%s gives a %T", address, c)
		} else if want == "FailoverClient" {
			if single.Options().Addr != want {
				t.Errorf("%s gives %s, want a client that asks sentinels", address, single)
			}
		} else if single.String() != want {
			t.Errorf("%s gives %s, want %s", address, single, want)
		}
		if ok && strings.HasPrefix(address, "rediss") != (single.Options().TLSConfig != nil) {
			t.Errorf("%s: TLS is %v", address, single.Options().TLSConfig)
		}
		c.Close()
	}
	for _, address := range []string{"redis-cluster://a,b:7001", "rediss-cluster://user:p@a", "redis://a.example:6379?addr=b.example:6379"} {
		c, err := client.Dial(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if _, ok := c.(*redis.ClusterClient); !ok {
			t.Errorf("%s gives a %T, want a client of a cluster", address, c)
		}
		c.Close()
	}
}

func TestAnAddressThatCannotBeSaysWhatIsWrongAndKeepsItsPassword(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"http://u:s3cret@a":                     "not a Redis address",
		"a.example:6379":                        "not a Redis address",
		"redis://u:s3cret@":                     "lacks a host",
		"redis://u:s3cret@a:x":                  "no port from 1 to 65535",
		"redis://u:s3cret@a:70000":              "no port from 1 to 65535",
		"redis://u:s3%zzcret@a":                 "none of a URL's",
		"redis://u:s3cret@a,b":                  "several hosts",
		"redis://u:s3cret@a:1:2":                "want host or host:port",
		"redis://u:s3cret@a/x":                  "database",
		"redis://u:s3cret@a/-1":                 "database",
		"redis://u:s3cret@a?poolsize=3":         `a parameter "poolsize"`,
		"redis://u:s3cret@a?pool-size=0":        "pool-size",
		"redis://u:s3cret@a?ca=ca.pem":          "write rediss",
		"redis://u:s3cret@a?%zz":                "parameters",
		"rediss://u:s3cret@a?ca=none.pem":       "no such file",
		"rediss://u:s3cret@a?ca=" + noPEM:       "no certificate",
		"rediss://u:s3cret@a?cert=c.pem":        "go together",
		"rediss://a?cert=none.pem&key=none.key": "no such file",
		"redis://u:s3cret@a?sentinel-user=x":    "redis-sentinel",
		"redis-sentinel://u:s3cret@a,b":         "name of the master",
		"redis-sentinel://u:s3cret@a,b/m/x":     "database",
		"redis-cluster://u:s3cret@a,b/3":        "no databases",
		"redis-cluster://u:s3cret@a,,b":         "lacks a host",
		"unix://run/redis.sock":                 "path of the Redis socket",
	} {
		c, err := client.Dial(address)
		if err == nil {
			c.Close()
			t.Errorf("%s was taken", address)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3") {
			t.Errorf("%s: %v; want it to say %q and nothing secret", address, err, want)
		}
	}
}

func TestAClusterOfThreeMastersIsConsumedFeedByFeed(t *testing.T) {
	c, err := client.Dial(testbed.FreshRedisCluster(t, 3).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	feeds := []string{"all", "unassigned", "team:north", "team:south", "team:east", "team:west"}
	nodes := map[string]bool{}
	for _, f := range feeds {
		node, err := c.(*redis.ClusterClient).MasterForKey(context.Background(), client.StreamKey("clinic", f))
		if err != nil {
			t.Fatal(err)
		}
		nodes[node.Options().Addr] = true
	}
	if len(nodes) < 2 {
		t.Fatalf("all feeds lie on one node: nothing was tried")
	}
	b := &bench{T: t, redis: c, group: client.Group{Tenant: "clinic", Feeds: feeds, Name: "g", Consumer: "c1"}}
	for _, f := range feeds {
		b.addTo(f, 1, 20)
	}
	at := map[string]int64{}
	for _, e := range b.consume(b.group, nil).take(20 * len(feeds)) {
		if at[e.Feed]++; e.Seq != at[e.Feed] {
			t.Fatalf("entry %d of feed %s came, want %d", e.Seq, e.Feed, at[e.Feed])
		}
	}
}
