package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// FarmHub is not part of the contract. It shows what a hub does when several processes serve it over one bus. A
// connection's user is its query value user.
type FarmHub struct{}

// addFarm serves the hubs that have one bus with the servers that use the same Redis, or one of their own without it. It
// returns the farm's hub.
func (s *testServer) addFarm(redisAddress, redisPrefix string) (*hubs.Hub, error) {
	flow := []hubs.Option{hubs.WithStatefulReconnect()}
	farm := []hubs.Option{hubs.WithUserID(farmUser)}
	var chaos scaleout.Bus
	if redisAddress != "" {
		client := goredis.NewClient(&goredis.Options{Addr: redisAddress})
		bus, err := redis.New(client, redis.WithPrefix(redisPrefix), redis.WithLogger(s.log))
		if err != nil {
			return nil, err
		}
		flow, farm = append(flow, hubs.WithBus(bus)), append(farm, hubs.WithBus(bus))
		chaos = bus
	}
	if err := s.addChaos(chaos); err != nil {
		return nil, err
	}
	if _, err := s.addHub("/flowhub", &FlowHub{}, flow...); err != nil {
		return nil, err
	}
	return s.addHub("/farmhub", &FarmHub{}, farm...)
}

var farmMessage = hubs.NewEvent1[string]("Message")

// askTimeout is how long a client may take to answer another one.
const askTimeout = 10 * time.Second

func farmUser(r *http.Request) string { return r.URL.Query().Get("user") }

// Send sends a text to the clients that a selector names.
func (*FarmHub) Send(c *hubs.Context, selector string, names []string, text string) error {
	target, err := choose(c, selector, names)
	if err != nil {
		return err
	}
	return farmMessage.Send(c, target, text)
}

// Count returns how many connections a selector names.
func (*FarmHub) Count(c *hubs.Context, selector string, names []string) (int, error) {
	target, err := choose(c, selector, names)
	if err != nil {
		return 0, err
	}
	return target.Count(c)
}

// Connections returns the ids of the connections that a selector names.
func (*FarmHub) Connections(c *hubs.Context, selector string, names []string) ([]string, error) {
	target, err := choose(c, selector, names)
	if err != nil {
		return nil, err
	}
	return target.Connections(c)
}

// Kick ends the connections that a selector names.
func (*FarmHub) Kick(c *hubs.Context, selector string, names []string) error {
	target, err := choose(c, selector, names)
	if err != nil {
		return err
	}
	return target.Abort(c, nil)
}

func choose(c *hubs.Context, selector string, names []string) (hubs.Target, error) {
	clients := c.Clients()
	if len(names) == 0 {
		names = []string{""}
	}
	switch selector {
	case "All":
		return clients.All(), nil
	case "AllExcept":
		return clients.AllExcept(names...), nil
	case "Others":
		return clients.Others(), nil
	case "Caller":
		return clients.Caller(), nil
	case "Client":
		return clients.Client(names[0]), nil
	case "Clients":
		return clients.Clients(names...), nil
	case "Group":
		return clients.Group(names[0]), nil
	case "Groups":
		return clients.Groups(names...), nil
	case "GroupExcept":
		return clients.GroupExcept(names[0], names[1:]...), nil
	case "OthersInGroup":
		return clients.OthersInGroup(names[0]), nil
	case "User":
		return clients.User(names[0]), nil
	case "Users":
		return clients.Users(names...), nil
	default:
		return hubs.Target{}, hubs.Errorf("there is no selector %q", selector)
	}
}

// Join adds any connection to a group.
func (*FarmHub) Join(c *hubs.Context, connectionID, group string) error {
	return c.Groups().Add(c, connectionID, group)
}

// Leave removes any connection from a group.
func (*FarmHub) Leave(c *hubs.Context, connectionID, group string) error {
	return c.Groups().Remove(c, connectionID, group)
}

// Ask returns what another client answers, or the error as a text.
func (*FarmHub) Ask(c *hubs.Context, connectionID string) (string, error) {
	ctx, cancel := context.WithTimeout(c, askTimeout)
	defer cancel()
	answer, err := hubs.Invoke[int](ctx, c.Clients().Client(connectionID), "Ask")
	if err != nil {
		return "", hubs.NewError(err.Error())
	}
	return fmt.Sprint(answer), nil
}

// Flood sends the numbers from first to first+count-1 to everyone.
func (*FarmHub) Flood(c *hubs.Context, first, count int) error {
	for i := range count {
		if err := farmMessage.Send(c, c.Clients().All(), fmt.Sprint(first+i)); err != nil {
			return hubs.Errorf("at %d: %w", first+i, err)
		}
	}
	return nil
}

// Nodes returns how many clients each node has.
func (*FarmHub) Nodes(c *hubs.Context) ([]int, error) {
	nodes, err := c.Hub().Nodes(c)
	counts := make([]int, len(nodes))
	for i, n := range nodes {
		counts[i] = n.Connections
	}
	return counts, err
}
