package hubs

import (
	"context"
	"net/http"
	"sync"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// visitor is a guest during one request: the connection of a [Context]. The guest
// itself may be on another node.
type visitor struct {
	guests *guests
	peer   *bridge.Peer
}

func (v visitor) connectionID() string       { return v.peer.ConnectionID }
func (v visitor) user() string               { return v.peer.UserID }
func (v visitor) request() *http.Request     { return v.peer.Request }
func (v visitor) transport() transports.Kind { return v.peer.Transport }
func (v visitor) values() *sync.Map          { return v.peer.Items }
func (v visitor) lifetime() context.Context  { return v.peer.Context }
func (v visitor) abort(error)                { v.peer.Abort() }
func (v visitor) beforeQuestion(*call) error { return nil }

func (v visitor) sendBack(ctx context.Context, b *broadcast) error {
	farm := v.guests.hub.farm
	e, err := farm.message(b, scaleout.Topic{Kind: scaleout.Connection, Name: v.peer.ConnectionID}, nil)
	if err != nil {
		return err
	}
	if v.peer.State != nil {
		if state := v.peer.State(); state != nil {
			e.Bodies = append(e.Bodies, scaleout.Body{Protocol: bodyState, Data: state})
		}
	}
	return farm.node.Publish(ctx, e)
}
