package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	random "math/rand/v2"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/hubs"
)

const (
	redisPrefix = "chat-demo" // of everything that the chat has in Redis
	stateKey    = redisPrefix + ":rooms"
	stateExpiry = 24 * time.Hour // after the last step
	signingKey  = redisPrefix + ":classic-key"

	stepTimeout  = 5 * time.Second
	longestPause = 20 * time.Millisecond // between attempts
	keySize      = 32
)

// What clients are told; the log knows more.
var (
	errRedisAway = hubs.NewError("The chat cannot use its Redis just now. Please try again.")
	errRedisBusy = hubs.NewError("Too much happens in the chat at once. Please try again.")
)

// redisStore keeps the state as one JSON value in Redis, where several processes
// share it. A step reads the value, changes it and writes it back if nobody else
// has meanwhile; otherwise it begins anew. That suits a demonstration with a few
// processes and rooms: every step costs as much as there is to keep.
type redisStore struct {
	client goredis.UniversalClient
	logger *slog.Logger
	turn   chan struct{} // holds one value while a step of this process is made
}

func newRedisStore(client goredis.UniversalClient, logger *slog.Logger) *redisStore {
	return &redisStore{client: client, logger: logger, turn: make(chan struct{}, 1)}
}

// update makes a step also when ctx is done, such as for a client that has gone:
// it must not remain open whether the step was made. While Redis is away it tries
// again, for stepTimeout at most.
func (r *redisStore) update(ctx context.Context, step func(*state) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	err := r.tryAll(ctx, step)
	var forClient *hubs.Error
	switch {
	case err == nil, errors.As(err, &forClient):
		return err
	case errors.Is(err, goredis.TxFailedErr):
		return errRedisBusy
	}
	r.logger.Error("cannot change the rooms in Redis", "error", err)
	return errRedisAway
}

// tryAll makes a step in as many attempts as it takes, until ctx is done.
func (r *redisStore) tryAll(ctx context.Context, step func(*state) error) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return fmt.Errorf("earlier steps are not done: %w", ctx.Err())
	}
	for {
		again, err := r.try(ctx, step)
		if !again {
			return err
		}
		select {
		case <-time.After(random.N(longestPause)): // who met here should not meet again
		case <-ctx.Done():
			return err
		}
	}
}

// try makes a step unless others change the state meanwhile. It reports whether
// to try again: not after an error that may have come after the step was made.
func (r *redisStore) try(ctx context.Context, step func(*state) error) (again bool, err error) {
	again = true
	err = r.client.Watch(ctx, func(tx *goredis.Tx) error {
		before, err := tx.Get(ctx, stateKey).Bytes()
		if err != nil && !errors.Is(err, goredis.Nil) {
			return err
		}
		after, err := changed(before, step)
		if err != nil || bytes.Equal(before, after) {
			again = false
			return err
		}
		_, err = tx.TxPipelined(ctx, func(p goredis.Pipeliner) error {
			p.Set(ctx, stateKey, after, stateExpiry)
			return nil
		})
		again = errors.Is(err, goredis.TxFailedErr)
		return err
	}, stateKey)
	return again, err
}

// sharedKey returns the key with which all processes sign what classic clients
// carry from one to the other. The first process that asks makes it. Whoever can
// read it can read and change the whole chat in Redis anyway.
func sharedKey(ctx context.Context, client goredis.UniversalClient) ([]byte, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	if err := client.SetNX(ctx, signingKey, key, 0).Err(); err != nil {
		return nil, fmt.Errorf("cannot agree on a key in Redis: %w", err)
	}
	return client.Get(ctx, signingKey).Bytes()
}

// changed returns the JSON of a state after a step.
func changed(before []byte, step func(*state) error) ([]byte, error) {
	var s state
	if len(before) > 0 {
		if err := json.Unmarshal(before, &s); err != nil {
			return nil, fmt.Errorf("the key %s has not what this program writes: %w", stateKey, err)
		}
	}
	if err := step(&s); err != nil {
		return nil, err
	}
	return json.Marshal(&s)
}
