package redis

import (
	"net/url"
	"strconv"

	"github.com/go-signalr/signalr/scaleout"
)

// keys names the keys of one hub's farm. Prefix and hub are percent-encoded, so
// that none can contain the signs that separate them, nor those of a hash tag.
// What is in braces decides in which slot of a Cluster a key is.
type keys struct{ base string }

func newKeys(prefix, hub string) keys {
	return keys{url.QueryEscape(prefix) + ":{" + url.QueryEscape(hub)}
}

// stream is the key of a shared stream.
func (k keys) stream(i int) string { return k.base + "/" + strconv.Itoa(i) + "}" }

// node is the key of a node's own stream.
func (k keys) node(id scaleout.NodeID) string { return k.base + "/node/" + formatID(id) + "}" }

// nodes is the key of the hash of heartbeats.
func (k keys) nodes() string { return k.base + "}:nodes" }

// epoch is the key of the farm's epoch.
func (k keys) epoch() string { return k.base + "}:epoch" }

// epochOf is the key of the epoch beside one stream.
func epochOf(stream string) string { return stream + ":epoch" }

func formatID(id scaleout.NodeID) string { return strconv.FormatUint(uint64(id), 10) }

func parseID(s string) (scaleout.NodeID, bool) {
	id, err := strconv.ParseUint(s, 10, 32)
	return scaleout.NodeID(id), err == nil && id != 0
}
