package hubs

import (
	"maps"
	"slices"
	"sync"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/scaleout"
)

// registry knows the connections of this process by id, group and user. It is
// safe for concurrent use.
type registry[C registered] struct {
	mu     sync.RWMutex
	byID   map[string]C
	all    []C // entry.position is the index
	groups map[string]map[C]struct{}
	users  map[string]map[C]struct{}

	matches sync.Pool // *[]C
}

// registered is a connection with an entry in a registry.
type registered interface {
	comparable
	registration() *entry
}

// entry is what a registry knows of a connection. Ids are set before the
// connection is added; the rest is the registry's own, under its lock.
type entry struct {
	id       string
	userID   string
	position int
	removed  bool
	groups   map[string]struct{}
	room     *int // for further groups, see bridge.GroupSize; nil: unlimited
}

func (e *entry) registration() *entry { return e }

func (r *registry[C]) init() {
	r.byID = make(map[string]C)
	r.groups = make(map[string]map[C]struct{})
	r.users = make(map[string]map[C]struct{})
	r.matches.New = func() any { return new([]C) }
}

// add makes a connection reachable. It reports false if it has ended meanwhile.
func (r *registry[C]) add(c C) bool {
	e := c.registration()
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.removed {
		return false
	}
	r.byID[e.id] = c
	e.position = len(r.all)
	r.all = append(r.all, c)
	if e.userID != "" {
		join(r.users, e.userID, c)
	}
	return true
}

// remove takes a connection out of everything, for good. It reports whether it
// was there.
func (r *registry[C]) remove(c C) bool {
	e := c.registration()
	r.mu.Lock()
	defer r.mu.Unlock()
	e.removed = true
	last := len(r.all) - 1
	if e.position > last || r.all[e.position] != c {
		return false
	}
	if r.byID[e.id] == c { // else another one has the id meanwhile: a guest that is back
		delete(r.byID, e.id)
	}
	r.all[e.position] = r.all[last]
	r.all[e.position].registration().position = e.position
	var none C
	r.all[last] = none
	r.all = r.all[:last]
	for group := range e.groups {
		leave(r.groups, group, c)
	}
	if e.userID != "" {
		leave(r.users, e.userID, c)
	}
	return true
}

// has reports whether a group or user has connections. It does not keep name.
func (r *registry[C]) has(kind scaleout.TopicKind, name []byte) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if kind == scaleout.User {
		return len(r.users[string(name)]) > 0
	}
	return len(r.groups[string(name)]) > 0
}

// changeGroup adds a connection to a group or removes it, as the kind says, and
// returns the outcome to reply.
func (r *registry[C]) changeGroup(kind scaleout.Kind, id, group string) (outcome uint8) {
	if kind == scaleout.AddToGroup {
		return r.addToGroup(id, group)
	}
	return r.removeFromGroup(id, group)
}

// addToGroup adds a connection to a group.
func (r *registry[C]) addToGroup(id, group string) (outcome uint8) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.byID[id]
	if !ok {
		return outcomeUnknown
	}
	e := c.registration()
	if _, isMember := e.groups[group]; !isMember && e.room != nil {
		rest := *e.room - bridge.GroupSize(group)
		if rest < 0 {
			return outcomeFull
		}
		*e.room = rest
	}
	if e.groups == nil {
		e.groups = make(map[string]struct{})
	}
	e.groups[group] = struct{}{}
	join(r.groups, group, c)
	return outcomeAnswered
}

// removeFromGroup removes a connection from a group.
func (r *registry[C]) removeFromGroup(id, group string) (outcome uint8) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.byID[id]
	if !ok {
		return outcomeUnknown
	}
	e := c.registration()
	if _, isMember := e.groups[group]; isMember {
		delete(e.groups, group)
		leave(r.groups, group, c)
		if e.room != nil {
			*e.room += bridge.GroupSize(group)
		}
	}
	return outcomeAnswered
}

// groupsOf returns the groups of a connection; false: it is not there any more.
func (r *registry[C]) groupsOf(c C) (groups map[string]struct{}, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := c.registration()
	return maps.Clone(e.groups), !e.removed
}

// find returns the connection of an id, or the zero value.
func (r *registry[C]) find(id string) C {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byID[id]
}

func join[C comparable](sets map[string]map[C]struct{}, key string, c C) {
	set := sets[key]
	if set == nil {
		set = make(map[C]struct{})
		sets[key] = set
	}
	set[c] = struct{}{}
}

func leave[C comparable](sets map[string]map[C]struct{}, key string, c C) {
	set := sets[key]
	delete(set, c)
	if len(set) == 0 {
		delete(sets, key)
	}
}

// each calls f for every connection of a topic but those excluded. f may take its
// time: the lock is not held.
func (r *registry[C]) each(topic scaleout.Topic, excluded []string, f func(C)) {
	if topic.Kind == scaleout.Connection {
		var none C
		if c := r.find(topic.Name); c != none {
			f(c)
		}
		return
	}
	matches := r.matches.Get().(*[]C)
	r.mu.RLock()
	*matches = r.appendAll((*matches)[:0], topic)
	r.mu.RUnlock()
	skip := excluder(excluded)
	for _, c := range *matches {
		if !skip(c.registration().id) {
			f(c)
		}
	}
	clear(*matches)
	r.matches.Put(matches)
}

func (r *registry[C]) appendAll(matches []C, topic scaleout.Topic) []C {
	switch topic.Kind {
	case scaleout.All:
		matches = append(matches, r.all...)
	case scaleout.Group:
		for c := range r.groups[topic.Name] {
			matches = append(matches, c)
		}
	case scaleout.User:
		for c := range r.users[topic.Name] {
			matches = append(matches, c)
		}
	}
	return matches
}

// excluder returns a test for a list of connection ids, which may be long.
func excluder(ids []string) func(id string) bool {
	switch {
	case len(ids) == 0:
		return func(string) bool { return false }
	case len(ids) <= 8:
		return func(id string) bool { return slices.Contains(ids, id) }
	}
	set := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		set[id] = struct{}{}
	}
	return func(id string) bool {
		_, ok := set[id]
		return ok
	}
}
