package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/relay/embedded"
)

// demo is a server with four alerts for team:north, of which the stream in Redis holds those from a number on.
type demo struct {
	redisURL, grpcAddress string
	stop                  func()
}

func startDemo(from int) demo {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	memory, err := embedded.Start("127.0.0.1:0")
	must(err)
	r := redis.NewClient(&redis.Options{Addr: memory.Address()})
	defer r.Close()
	ctx := context.Background()
	for n := from; n <= 4; n++ {
		must(r.XAdd(ctx, &redis.XAddArgs{Stream: client.StreamKey("default", "team:north"), ID: fmt.Sprintf("%d-0", n), Values: []string{
			"specversion", "1.0", "source", "/rapport/default", "seq", strconv.Itoa(n), "tenant_seq", strconv.Itoa(n),
			"id", fmt.Sprintf("e%d", n), "type", "alert.opened", "time", "2026-03-02T09:00:00Z", "subject", "Patient/p1",
			"data", fmt.Sprintf(`{"id":"a%d","title":"Reliable worsening"}`, n),
		}}).Err())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := grpc.NewServer()
	rapportv1.RegisterAlertServiceServer(server, fourAlerts{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return demo{memory.URL(), listener.Addr().String(), func() {
		server.Stop()
		must(<-served)
		memory.Stop()
	}}
}

type fourAlerts struct {
	rapportv1.UnimplementedAlertServiceServer
}

func (fourAlerts) Subscribe(r *rapportv1.SubscribeRequest, stream grpc.ServerStreamingServer[rapportv1.SubscribeResponse]) error {
	for seq := r.GetCursors()[0].GetAfter() + 1; seq <= 4; seq++ {
		e := event("team:north", seq)
		e.GetEvent().Id = fmt.Sprintf("e%d", seq)
		if err := stream.Send(e); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return nil
}

// Follow a feed over gRPC with a cursor that you keep where you keep what you make of the events.
func ExampleFollow() {
	server := startDemo(1)
	defer server.stop()
	conn, err := grpc.NewClient(server.grpcAddress, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	cursors := []*rapportv1.Cursor{{Feed: "team:north", After: 2}} // as it was kept
	enough := errors.New("enough")
	err = client.Follow(context.Background(), conn, cursors, func(e *rapportv1.Event) error {
		fmt.Println("handle", e.GetId(), "and keep the cursor", e.GetFeed(), e.GetSeq()) // in one transaction
		if e.GetSeq() == 4 {
			return enough
		}
		return nil
	})
	fmt.Println("ended with:", err)
	// Output:
	// handle e3 and keep the cursor team:north 3
	// handle e4 and keep the cursor team:north 4
	// ended with: enough
}

// Consume a feed as one of several consumers of a group, each event handled once and none missed.
func ExampleGroup_Consume() {
	server := startDemo(1)
	defer server.stop()
	r, err := client.Dial(server.redisURL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()

	group := client.Group{
		Tenant: "default", Feeds: []string{"team:north"},
		Name: "pager", Consumer: "pager-1", // the same name after a restart
		MinIdle: time.Minute, // longer than handling ever takes
	}
	ctx, stop := context.WithCancel(context.Background()) // or signal.NotifyContext
	defer stop()
	err = group.Consume(ctx, r, client.Once(10_000, func(e client.Entry) error {
		alert, err := e.Event()
		if err != nil {
			return err // it comes again, and in the end goes to the dead letters
		}
		fmt.Println("page for", e.ID, alert.GetAlert().GetTitle())
		if e.Seq == 4 {
			stop() // this entry is still acknowledged
		}
		return nil
	}))
	fmt.Println("ended with:", err)
	// Output:
	// page for e1 Reliable worsening
	// page for e2 Reliable worsening
	// page for e3 Reliable worsening
	// page for e4 Reliable worsening
	// ended with: context canceled
}

// Read over gRPC what the stream no longer holds.
func ExampleRefill() {
	server := startDemo(3) // Redis lost 1 and 2
	defer server.stop()
	r, err := client.Dial(server.redisURL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	conn, err := grpc.NewClient(server.grpcAddress, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	group := client.Group{
		Tenant: "default", Feeds: []string{"team:north"}, Name: "pager", Consumer: "pager-1",
		After: func(string) int64 { return 1 }, // event 1 was handled before Redis was lost
		OnGap: func(gap *client.GapError) error {
			fmt.Println(gap)
			return client.Refill(ctx, conn, gap, func(e *rapportv1.Event) error {
				fmt.Println("from the database:", e.GetId())
				return nil
			})
		},
	}
	err = group.Consume(ctx, r, func(e client.Entry) error {
		fmt.Println("from Redis:", e.ID)
		if e.Seq == 4 {
			stop()
		}
		return nil
	})
	fmt.Println("ended with:", err)
	// Output:
	// feed team:north: events 2 to 2 are missing
	// from the database: e2
	// from Redis: e3
	// from Redis: e4
	// ended with: context canceled
}

// Look at what a group gave up, and give it back once the cause is mended.
func ExampleGroup_PutBack() {
	server := startDemo(1)
	defer server.stop()
	r, err := client.Dial(server.redisURL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	group := client.Group{
		Tenant: "default", Feeds: []string{"team:north"}, Name: "pager", Consumer: "pager-1",
		Deliveries: 1, MinIdle: 10 * time.Millisecond, Block: 10 * time.Millisecond,
		OnDead: func(l client.Letter) {
			fmt.Println("given up:", l.Entry.ID, "- tell an operator")
			stop()
		},
	}
	_ = group.Consume(ctx, r, func(e client.Entry) error {
		if e.ID == "e2" {
			return errors.New("the pager is out of order")
		}
		return nil
	})

	ctx = context.Background()
	letters, err := group.Letters(ctx, r, "team:north", "", 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range letters {
		fmt.Println(l.Entry.ID, l.Reason, "after", l.Entry.Deliveries, "deliveries to", l.Consumer)
	}
	back, gone, err := group.PutBack(ctx, r, "team:north", letters...)
	fmt.Println("given back:", back, "no longer in the stream:", len(gone), err)
	// Output:
	// given up: e2 - tell an operator
	// e2 refused after 1 deliveries to pager-1
	// given back: 1 no longer in the stream: 0 <nil>
}
