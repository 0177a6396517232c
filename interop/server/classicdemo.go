package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
)

// DemoHub is the hub demo of classic contract 4.
type DemoHub struct{}

// exception is an error whose text clients see only with detailed errors.
type exception struct{}

func (exception) Error() string { return "Exception of type 'System.Exception' was thrown." }

// Overload returns its argument if there is one: a variadic parameter stands for overloads.
func (*DemoHub) Overload(_ *hubs.Context, n ...int) *int {
	if len(n) == 0 {
		return nil
	}
	return &n[0]
}

// GetValue returns 10 after five seconds.
func (*DemoHub) GetValue(c *hubs.Context) (int, error) { return 10, pause(c, 5*time.Second) }

// SynchronousException fails.
func (*DemoHub) SynchronousException(*hubs.Context) error { return exception{} }

// HubException fails with a text and data for the caller.
func (*DemoHub) HubException(*hubs.Context) error {
	return classic.WithData(hubs.NewError("message"), "errorData")
}

// HubExceptionWithoutErrorData fails with a text for the caller.
func (*DemoHub) HubExceptionWithoutErrorData(*hubs.Context) error { return hubs.NewError("message") }

// TestGuid sends the caller a GUID of zeros.
func (*DemoHub) TestGuid(c *hubs.Context) error {
	return c.Clients().Caller().Send(c, "TestGuid", "00000000-0000-0000-0000-000000000000")
}

// DoSomethingAndCallError calls a client method that fails.
func (*DemoHub) DoSomethingAndCallError(c *hubs.Context) error {
	return c.Clients().Caller().Send(c, "errorInCallback")
}

// AddToGroups takes the caller into two groups.
func (*DemoHub) AddToGroups(c *hubs.Context) error {
	for _, group := range []string{"foo", "bar"} {
		if err := c.Groups().Add(c, c.ConnectionID(), group); err != nil {
			return err
		}
	}
	return c.Clients().Caller().Send(c, "groupAdded")
}

// SendToUser calls a user's clients.
func (*DemoHub) SendToUser(c *hubs.Context, user string) error {
	return c.Clients().User(user).Send(c, "invoke")
}

// DynamicInvoke calls a client method of any name.
func (*DemoHub) DynamicInvoke(c *hubs.Context, method string) error {
	return c.Clients().Caller().Send(c, method)
}

// MispelledClientMethod calls a client method that nobody has.
func (*DemoHub) MispelledClientMethod(c *hubs.Context) error {
	return c.Clients().Caller().Send(c, "clientMethd")
}

// PlainTask takes half a second.
func (*DemoHub) PlainTask(c *hubs.Context) error { return pause(c, 500*time.Millisecond) }

// DynamicTask calls everyone.
func (*DemoHub) DynamicTask(c *hubs.Context) error {
	return c.Clients().All().Send(c, "signal", "00000000-0000-0000-0000-000000000000")
}

// GenericTaskWithContinueWith returns 4.
func (*DemoHub) GenericTaskWithContinueWith(*hubs.Context) int { return 4 }

// TaskWithException fails.
func (*DemoHub) TaskWithException(*hubs.Context) error { return exception{} }

// GenericTaskWithException fails instead of returning a number.
func (*DemoHub) GenericTaskWithException(*hubs.Context) (int, error) { return 0, exception{} }

// CancelledTask fails as what was cancelled does.
func (*DemoHub) CancelledTask(*hubs.Context) error { return context.Canceled }

// CancelledGenericTask fails as what was cancelled does, instead of returning a number.
func (*DemoHub) CancelledGenericTask(*hubs.Context) (int, error) { return 0, context.Canceled }

// NeverEndingTask calls the caller's begun and lasts as long as its connection.
func (*DemoHub) NeverEndingTask(c *hubs.Context) error {
	if err := c.Clients().Caller().Send(c, "begun"); err != nil {
		return err
	}
	<-c.Done()
	return context.Cause(c)
}

// SimpleArray takes numbers.
func (*DemoHub) SimpleArray(_ *hubs.Context, _ []int) {}

// person is an argument with parts.
type person struct {
	Name    string
	Age     int
	Address *address
}

type address struct{ Street, Zip string }

// ComplexArray takes people.
func (*DemoHub) ComplexArray(_ *hubs.Context, _ []person) {}

// PassingDynamicComplex returns a member of an argument of no certain type.
func (*DemoHub) PassingDynamicComplex(_ *hubs.Context, p map[string]any) (int, error) {
	age, ok := p["Age"].(int64)
	if !ok {
		return 0, errors.New("there is no Age")
	}
	return int(age), nil
}

// ComplexType returns its argument and keeps it in the caller's state.
func (*DemoHub) ComplexType(c *hubs.Context, p person) (person, error) {
	return p, classic.State(c).Set("person", p)
}

// ReadStateValue returns the caller's state name.
func (*DemoHub) ReadStateValue(c *hubs.Context) (name *string, err error) {
	_, err = classic.State(c).Get("name", &name)
	return name, err
}

// SetStateValue sets the caller's state Company and returns what it is then.
func (*DemoHub) SetStateValue(c *hubs.Context, value string) (company string, err error) {
	if err := classic.State(c).Set("Company", value); err != nil {
		return "", err
	}
	_, err = classic.State(c).Get("Company", &company)
	return company, err
}

// ReadAnyState copies parts of the caller's state within it, and returns it.
func (*DemoHub) ReadAnyState(c *hubs.Context) (*person, error) {
	state := classic.State(c)
	var p person
	if found, err := state.Get("state", &p); err != nil || !found {
		return nil, errors.Join(errors.New("there is no state"), err)
	}
	return &p, errors.Join(state.Set("state2", p), state.Set("addy", p.Address))
}

// MultipleCalls calls the caller ten times, once a second, with another state each time.
func (*DemoHub) MultipleCalls(c *hubs.Context) error {
	for i := range 10 {
		if err := classic.State(c).Set("index", i+1); err != nil {
			return err
		}
		if err := c.Clients().Caller().Send(c, "invoke", i); err != nil {
			return err
		}
		if err := pause(c, time.Second); err != nil {
			return err
		}
	}
	return nil
}

// ReportProgress reports its progress every quarter of a second.
func (*DemoHub) ReportProgress(c *hubs.Context, job string) (string, error) {
	for percent := 0; percent <= 100; percent += 10 {
		if err := pause(c, 250*time.Millisecond); err != nil {
			return "", err
		}
		if err := classic.Progress(c, percent); err != nil {
			return "", err
		}
	}
	return job + " done!", nil
}

// InlineScriptTag returns a script.
func (*DemoHub) InlineScriptTag(*hubs.Context) string {
	return `WAITING for Script Tag to replace this.<script>document.title = "replaced"</script>`
}

// ReturnLargePayload returns 64 KiB.
func (*DemoHub) ReturnLargePayload(*hubs.Context) string { return strings.Repeat("a", 64<<10) }

// ProgressHub is the hub progress of classic contract 4.
type ProgressHub struct{}

type progressUpdate struct {
	Percent int
	Message string
}

// DoLongRunningJob reports its progress in tenths.
func (*ProgressHub) DoLongRunningJob(c *hubs.Context, job string) (string, error) {
	for percent := 0; percent <= 100; percent += 10 {
		if err := classic.Progress(c, percent); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s done!", job), nil
}

// ReportProgressInt reports a number.
func (*ProgressHub) ReportProgressInt(c *hubs.Context) error { return classic.Progress(c, 100) }

// ReportProgressString reports a text.
func (*ProgressHub) ReportProgressString(c *hubs.Context) error {
	return classic.Progress(c, "Progress is 100%")
}

// ReportProgressTyped reports a value of a type.
func (*ProgressHub) ReportProgressTyped(c *hubs.Context) error {
	return classic.Progress(c, progressUpdate{100, "Progress is 100%"})
}

// ReportProgressDynamic reports a value of no certain type.
func (*ProgressHub) ReportProgressDynamic(c *hubs.Context) error {
	return classic.Progress(c, map[string]any{"Percent": 100, "Message": "Progress is 100%"})
}

// SendProgressAfterMethodReturn reports progress when the method has returned, and tells the caller whether that was
// refused.
func (*ProgressHub) SendProgressAfterMethodReturn(c *hubs.Context) {
	caller := c.Hub().Clients().Client(c.ConnectionID())
	ctx := context.WithoutCancel(c)
	go func() {
		time.Sleep(50 * time.Millisecond)
		refused := classic.Progress(c, 100) != nil
		_ = caller.Send(ctx, "sendProgressAfterMethodReturnResult", refused)
	}()
}
