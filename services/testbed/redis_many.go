package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisCluster is a private Redis Cluster.
type RedisCluster struct {
	// Masters share the hash slots evenly, in order.
	Masters []*Redis
}

// FreshRedisCluster starts an empty cluster of masters for a test and stops it when the test ends. A master that is killed
// takes only its own slots with it.
func FreshRedisCluster(t T, masters int) *RedisCluster {
	t.Helper()
	c := &RedisCluster{}
	for range masters {
		r, err := StartRedis(RedisOptions{
			member: true, AppendOnly: true, Settings: []string{"--cluster-require-full-coverage", "no"},
		})
		if err != nil {
			t.Fatalf("starting Redis: %v", err)
		}
		t.Cleanup(r.Stop)
		c.Masters = append(c.Masters, r)
	}
	if err := c.join(); err != nil {
		t.Fatalf("joining the cluster: %v", err)
	}
	return c
}

// URL is the address as redis-cluster://host:port,host:port.
func (c *RedisCluster) URL() string {
	addresses := make([]string, len(c.Masters))
	for i, m := range c.Masters {
		addresses[i] = m.Addr()
	}
	return "redis-cluster://" + strings.Join(addresses, ",")
}

// join makes the servers one cluster, and waits until each knows it.
func (c *RedisCluster) join() error {
	const slots = 16384
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	n := len(c.Masters)
	first := c.Masters[0]
	for i, m := range c.Masters {
		commands := [][]any{
			{"CLUSTER", "SET-CONFIG-EPOCH", i + 1},
			{"CLUSTER", "ADDSLOTSRANGE", slots * i / n, slots*(i+1)/n - 1},
			{"CLUSTER", "MEET", "127.0.0.1", first.port, first.busPort},
		}
		for _, command := range commands {
			if _, err := m.do(ctx, command...); err != nil {
				return err
			}
		}
	}
	for _, m := range c.Masters {
		err := await(ctx, "a whole cluster", func() bool {
			info, err := m.do(ctx, "CLUSTER", "INFO")
			text, _ := info.(string)
			return err == nil && strings.Contains(text, "cluster_state:ok") &&
				strings.Contains(text, "cluster_known_nodes:"+strconv.Itoa(n)) && strings.Contains(text, "cluster_slots_ok:16384")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// do sends one command.
func (r *Redis) do(ctx context.Context, command ...any) (any, error) {
	c := redis.NewClient(&redis.Options{Addr: r.Addr(), Protocol: 2, MaxRetries: -1})
	defer c.Close()
	return c.Do(ctx, command...).Result()
}

// await asks again and again until something holds.
func await(ctx context.Context, what string, holds func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// RedisSentinels are a Redis with a replica that takes over, and three sentinels that see to it.
type RedisSentinels struct {
	servers, sentinels []*Redis
}

// sentinelMaster is the name by which the sentinels know what they watch.
const sentinelMaster = "rapport"

// FreshRedisSentinels starts an empty master, its replica and three sentinels for a test and stops them when it ends.
func FreshRedisSentinels(t T) *RedisSentinels {
	t.Helper()
	s := &RedisSentinels{}
	keep := func(list *[]*Redis, r *Redis, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("starting Redis: %v", err)
		}
		t.Cleanup(r.Stop)
		*list = append(*list, r)
	}
	master, err := StartRedis(RedisOptions{AppendOnly: true})
	keep(&s.servers, master, err)
	replica, err := StartRedis(RedisOptions{
		AppendOnly: true, Settings: []string{"--replicaof", "127.0.0.1", strconv.Itoa(master.port), "--repl-diskless-sync-delay", "0"},
	})
	keep(&s.servers, replica, err)
	for range 3 {
		sentinel, err := startSentinel(master)
		keep(&s.sentinels, sentinel, err)
	}
	if err := s.settle(); err != nil {
		t.Fatalf("settling the sentinels: %v", err)
	}
	return s
}

// startSentinel starts one that watches a master.
func startSentinel(master *Redis) (*Redis, error) {
	return tries(func() (*Redis, error) {
		program, err := exec.LookPath("redis-server")
		if err != nil {
			return nil, errMissing("redis-server")
		}
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		home, err := os.MkdirTemp("", "rapport-sentinel-")
		if err != nil {
			return nil, err
		}
		config := filepath.Join(home, "sentinel.conf")
		text := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nsentinel monitor %[3]s 127.0.0.1 %[4]d 2\n"+
			"sentinel down-after-milliseconds %[3]s 500\nsentinel failover-timeout %[3]s 3000\n", port, home, sentinelMaster, master.port)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return nil, errors.Join(err, os.RemoveAll(home))
		}
		r := &Redis{home: home, port: port}
		r.process = process{
			name: "Redis Sentinel", log: filepath.Join(home, "log"), ready: r.ready, gentle: syscall.SIGTERM,
			command: func() *exec.Cmd {
				cmd := exec.Command(program, config, "--sentinel")
				cmd.SysProcAttr = attributes(nil)
				return cmd
			},
		}
		if err := r.process.start(); err != nil {
			r.Stop()
			return nil, err
		}
		return r, nil
	})
}

// settle waits until the replica follows and every sentinel knows the others and the replica.
func (s *RedisSentinels) settle() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	err := await(ctx, "the replica", func() bool {
		info, err := s.servers[1].do(ctx, "INFO", "replication")
		text, _ := info.(string)
		return err == nil && strings.Contains(text, "master_link_status:up")
	})
	for _, sentinel := range s.sentinels {
		if err == nil {
			err = await(ctx, "a quorum of sentinels", func() bool {
				quorum, err := sentinel.do(ctx, "SENTINEL", "CKQUORUM", sentinelMaster)
				text, _ := quorum.(string)
				replicas, ok := s.replicas(ctx, sentinel)
				return err == nil && strings.HasPrefix(text, "OK 3 usable") && ok && replicas == 1
			})
		}
	}
	return err
}

// replicas is how many a sentinel knows.
func (s *RedisSentinels) replicas(ctx context.Context, sentinel *Redis) (int, bool) {
	answer, err := sentinel.do(ctx, "SENTINEL", "REPLICAS", sentinelMaster)
	list, ok := answer.([]any)
	return len(list), err == nil && ok
}

// URL is the address as redis-sentinel://host:port,host:port,host:port/master.
func (s *RedisSentinels) URL() string {
	addresses := make([]string, len(s.sentinels))
	for i, one := range s.sentinels {
		addresses[i] = one.Addr()
	}
	return "redis-sentinel://" + strings.Join(addresses, ",") + "/" + sentinelMaster
}

// Master is the server that the sentinels take for the master now.
func (s *RedisSentinels) Master() (*Redis, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	answer, err := s.sentinels[0].do(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinelMaster)
	if err != nil {
		return nil, err
	}
	for _, r := range s.servers {
		if list, ok := answer.([]any); ok && len(list) == 2 && list[1] == strconv.Itoa(r.port) {
			return r, nil
		}
	}
	return nil, fmt.Errorf("the sentinels name %v, which was not started here", answer)
}

// Failover kills the master and waits until another is.
func (s *RedisSentinels) Failover() (killed *Redis, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if killed, err = s.Master(); err != nil {
		return nil, err
	}
	killed.Kill()
	return killed, await(ctx, "another master", func() bool {
		now, err := s.Master()
		return err == nil && now != killed
	})
}
