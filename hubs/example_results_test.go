package hubs_test

import (
	"context"
	"fmt"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// confirm is a question that clients answer.
var confirm = hubs.NewQuery1[string, bool]("confirm")

// Files asks before it acts.
type Files struct{}

// Delete deletes a file if the caller is sure.
func (*Files) Delete(c *hubs.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(c, time.Minute) // the client may never answer
	defer cancel()
	sure, err := confirm.Ask(ctx, c.Clients().Caller(), "Delete "+name+"?")
	switch {
	case err != nil:
		return "", err
	case !sure:
		return "kept " + name, nil
	}
	return "deleted " + name, nil
}

func Example_clientResults() {
	files, err := hubs.New(&Files{})
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	client := hubtest.NewServer(t, files).Connect()
	client.Handle("confirm", func(question string) bool {
		fmt.Println(question)
		return true
	})
	fmt.Println(hubtest.Invoke[string](client, "Delete", "notes.txt"))
	// Output:
	// Delete notes.txt?
	// deleted notes.txt <nil>
}
