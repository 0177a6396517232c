package hubs

import (
	"slices"
	"sync"

	"github.com/go-signalr/signalr/scaleout"
)

// registry knows the sessions of this process by connection id, group and user.
// It is safe for concurrent use.
type registry struct {
	mu     sync.RWMutex
	byID   map[string]*session
	all    []*session // session.position is the index
	groups map[string]map[*session]struct{}
	users  map[string]map[*session]struct{}

	matches sync.Pool // *[]*session
}

func (r *registry) init() {
	r.byID = make(map[string]*session)
	r.groups = make(map[string]map[*session]struct{})
	r.users = make(map[string]map[*session]struct{})
	r.matches.New = func() any { return new([]*session) }
}

// add makes a session reachable, unless it has ended meanwhile.
func (r *registry) add(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.removed {
		return
	}
	r.byID[s.conn.ID()] = s
	s.encoding.connections.Add(1)
	s.position = len(r.all)
	r.all = append(r.all, s)
	if s.userID != "" {
		join(r.users, s.userID, s)
	}
}

// remove takes a session out of everything, for good.
func (r *registry) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.removed = true
	if r.byID[s.conn.ID()] != s {
		return
	}
	delete(r.byID, s.conn.ID())
	s.encoding.connections.Add(-1)
	last := len(r.all) - 1
	r.all[s.position] = r.all[last]
	r.all[s.position].position = s.position
	r.all[last] = nil
	r.all = r.all[:last]
	for group := range s.groups {
		leave(r.groups, group, s)
	}
	if s.userID != "" {
		leave(r.users, s.userID, s)
	}
}

// addToGroup adds a connection, if it is there, to a group.
func (r *registry) addToGroup(id, group string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.byID[id]
	if s == nil {
		return
	}
	if s.groups == nil {
		s.groups = make(map[string]struct{})
	}
	s.groups[group] = struct{}{}
	join(r.groups, group, s)
}

// removeFromGroup removes a connection, if it is there, from a group.
func (r *registry) removeFromGroup(id, group string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.byID[id]; s != nil {
		delete(s.groups, group)
		leave(r.groups, group, s)
	}
}

func (r *registry) find(id string) *session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byID[id]
}

func join(sets map[string]map[*session]struct{}, key string, s *session) {
	set := sets[key]
	if set == nil {
		set = make(map[*session]struct{})
		sets[key] = set
	}
	set[s] = struct{}{}
}

func leave(sets map[string]map[*session]struct{}, key string, s *session) {
	set := sets[key]
	delete(set, s)
	if len(set) == 0 {
		delete(sets, key)
	}
}

// each calls f for every session of a topic but those excluded. f may take its
// time: the lock is not held.
func (r *registry) each(topic scaleout.Topic, excluded []string, f func(*session)) {
	if topic.Kind == scaleout.Connection {
		if s := r.find(topic.Name); s != nil {
			f(s)
		}
		return
	}
	matches := r.matches.Get().(*[]*session)
	r.mu.RLock()
	*matches = r.appendAll((*matches)[:0], topic)
	r.mu.RUnlock()
	skip := excluder(excluded)
	for _, s := range *matches {
		if !skip(s) {
			f(s)
		}
	}
	clear(*matches)
	r.matches.Put(matches)
}

func (r *registry) appendAll(matches []*session, topic scaleout.Topic) []*session {
	switch topic.Kind {
	case scaleout.All:
		matches = append(matches, r.all...)
	case scaleout.Group:
		for s := range r.groups[topic.Name] {
			matches = append(matches, s)
		}
	case scaleout.User:
		for s := range r.users[topic.Name] {
			matches = append(matches, s)
		}
	}
	return matches
}

// excluder returns a test for a list of connection ids, which may be long.
func excluder(ids []string) func(*session) bool {
	switch {
	case len(ids) == 0:
		return func(*session) bool { return false }
	case len(ids) <= 8:
		return func(s *session) bool { return slices.Contains(ids, s.conn.ID()) }
	}
	set := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		set[id] = struct{}{}
	}
	return func(s *session) bool {
		_, ok := set[s.conn.ID()]
		return ok
	}
}
