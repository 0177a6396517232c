package classic

import (
	"net/http"
	"sync"
	"time"
)

// A connection may have logAllowance bytes of the logs read for it, as much as a bus in
// memory keeps, and has all of it again after logRecovery, or what is missing after a part
// of that. A client whose allowance is used up has to wait before it resumes again, but
// not for longer than it tries to: the disconnect timeout, 30 s by default.
const (
	logAllowance = 32 << 20
	logRecovery  = 16 * time.Second
)

// maxReaders is of how many connections an endpoint remembers what was read for them.
const maxReaders = 1 << 15

// errReads refuses a resume for which there is no allowance.
var errReads = &refusal{status: http.StatusServiceUnavailable, text: "The connection was resumed too often."}

// reads counts what of the logs is read for each connection.
type reads struct {
	allowance int // bytes, also of what may be missing
	recovery  time.Duration

	mu   sync.Mutex
	byID map[string]account
}

// account is how much a connection might have read at a time. One without may have all.
type account struct {
	rest  int
	since time.Time
}

func (r *reads) init(allowance int, recovery time.Duration) {
	r.allowance, r.recovery = allowance, recovery
	r.byID = make(map[string]account)
}

// rest returns how much a connection may have read now. r is locked.
func (r *reads) rest(id string, now time.Time) int {
	a, ok := r.byID[id]
	if !ok {
		return r.allowance
	}
	recovered := float64(r.allowance) * float64(now.Sub(a.since)) / float64(r.recovery)
	return a.rest + int(min(recovered, float64(r.allowance-a.rest)))
}

// allows reports whether more may be read for a connection.
func (r *reads) allows(id string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rest(id, now) > 0
}

// charge notes that a number of bytes was read for a connection.
func (r *reads) charge(id string, bytes int, now time.Time) {
	if bytes == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := max(r.rest(id, now)-bytes, -r.allowance)
	if _, ok := r.byID[id]; !ok && len(r.byID) >= maxReaders {
		for other := range r.byID { // any: there are more than can be kept
			delete(r.byID, other)
			break
		}
	}
	r.byID[id] = account{rest, now}
}
