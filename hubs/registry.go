package hubs

import "sync"

// registry knows the sessions of this process by connection id, group and user.
// It is safe for concurrent use; its lock is held while a message is queued for
// its receivers, which never blocks.
type registry struct {
	mu     sync.RWMutex
	byID   map[string]*session
	all    []*session // session.position is the index
	groups map[string]map[*session]struct{}
	users  map[string]map[*session]struct{}
}

func (r *registry) init() {
	r.byID = make(map[string]*session)
	r.groups = make(map[string]map[*session]struct{})
	r.users = make(map[string]map[*session]struct{})
}

// add makes a session reachable, unless it has ended meanwhile.
func (r *registry) add(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.removed {
		return
	}
	r.byID[s.conn.ID()] = s
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

// addToGroup reports whether the connection is there.
func (r *registry) addToGroup(id, group string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.byID[id]
	if s == nil {
		return false
	}
	if s.groups == nil {
		s.groups = make(map[string]struct{})
	}
	s.groups[group] = struct{}{}
	join(r.groups, group, s)
	return true
}

// removeFromGroup reports whether the connection is there.
func (r *registry) removeFromGroup(id, group string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.byID[id]
	if s == nil {
		return false
	}
	delete(s.groups, group)
	leave(r.groups, group, s)
	return true
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

// each calls f for every session that a target names. A session in two groups of
// a list is named twice (reference 6.9). f must not block.
func (r *registry) each(t *Target, f func(*session)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch t.selector {
	case selectAll:
		for _, s := range r.all {
			if !t.excludes(s) {
				f(s)
			}
		}
	case selectConnections:
		for _, id := range t.names {
			if s := r.byID[id]; s != nil {
				f(s)
			}
		}
	case selectGroups:
		r.eachOf(r.groups, t, f)
	case selectUsers:
		r.eachOf(r.users, t, f)
	}
}

func (r *registry) eachOf(sets map[string]map[*session]struct{}, t *Target, f func(*session)) {
	for _, name := range t.names {
		for s := range sets[name] {
			if !t.excludes(s) {
				f(s)
			}
		}
	}
}
