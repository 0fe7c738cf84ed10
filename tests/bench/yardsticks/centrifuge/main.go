// A server on the centrifuge library with its memory engine: the fastest peer that we know.
//
// Everybody is accepted by the name in the connect frame, is subscribed to the channel u:NAME by
// the server, and may publish to any channel. A publication is kept in the channel's history in
// memory (100, for five minutes), delivered, and acknowledged. Nothing is on disk. All write
// options are as they come: replies and pushes go through the client's queue, from which a writer
// takes up to 16 at once into one frame.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/centrifugal/centrifuge"
)

func newNode() *centrifuge.Node {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		log.Fatal(err)
	}
	node.OnConnecting(func(_ context.Context, event centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		if event.Name == "" {
			return centrifuge.ConnectReply{}, centrifuge.DisconnectInvalidToken
		}
		return centrifuge.ConnectReply{
			Credentials: &centrifuge.Credentials{UserID: event.Name},
			Subscriptions: map[string]centrifuge.SubscribeOptions{
				"u:" + event.Name: {},
			},
		}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnPublish(func(event centrifuge.PublishEvent, answer centrifuge.PublishCallback) {
			if !strings.HasPrefix(event.Channel, "u:") {
				answer(centrifuge.PublishReply{}, centrifuge.ErrorPermissionDenied)
				return
			}
			answer(centrifuge.PublishReply{
				Options: centrifuge.PublishOptions{HistorySize: 100, HistoryTTL: 5 * time.Minute},
			}, nil)
		})
	})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
	return node
}

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	flag.Parse()
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(newNode(), centrifuge.WebsocketConfig{}))
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	go func() { log.Fatal(http.Serve(listener, nil)) }()
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}
