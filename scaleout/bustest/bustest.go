// Package bustest has the conformance suite of message buses: what
// [scaleout.Bus] promises, as tests. Whoever writes a bus runs it:
//
//	func TestConformance(t *testing.T) {
//		bustest.Run(t, func(t *testing.T) func() scaleout.Bus {
//			address := startBroker(t)
//			return func() scaleout.Bus { return mybus.New(address) }
//		})
//	}
//
// The suite closes every node it makes. That a bus leaves no goroutines behind
// is for the caller to check, with a leak check in TestMain. What a bus does
// while its broker is away is not part of the suite, as only the bus knows how
// to take the broker away.
package bustest

import (
	"testing"

	"github.com/go-signalr/signalr/scaleout"
)

// Run runs the suite as parallel subtests of t. Each of them calls newFarm once
// for a farm of its own, which meets no other; each call of the function that
// newFarm returns gives a bus of that farm, as another process would have it.
func Run(t *testing.T, newFarm func(t *testing.T) func() scaleout.Bus) {
	tests := []struct {
		name string
		run  func(t *testing.T, f *farm)
	}{
		{"OrderIsTheSameOnAllNodes", testOrder},
		{"OwnNodeDeliversBeforePublishReturns", testOwnNode},
		{"OneGoroutinesTopicsKeepTheirOrder", testSeveralTopics},
		{"EveryFieldArrivesExactlyOnce", testFields},
		{"BigEnvelopes", testBig},
		{"ManyTopics", testManyTopics},
		{"LateJoinerGetsWhatComesAfter", testLateJoiner},
		{"HubsDoNotMix", testHubs},
		{"CancelledPublishIsNotDelivered", testCancelled},
		{"SendReachesOnlyTheNodeMeant", testSend},
		{"StartKeepsTheOrder", testStart},
		{"SendToNobody", testSendToNobody},
		{"NodesListsTheLiving", testNodes},
		{"NodeLeftOnceForEach", testNodeLeft},
		{"CloseEndsEverything", testClose},
		{"CloseAmidPublishing", testCloseAmidPublishing},
		{"LogHasWhatWasDelivered", testLog},
		{"LogHasItBeforeDelivery", testLogBeforeDelivery},
		{"LogAndLiveTrafficAreGapless", testLogReaders},
		{"LogKnowsForeignPositions", testLogForeignPositions},
		{"LogIsNotKeptUnasked", testLogNotKept},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, &farm{t: t, newBus: newFarm(t)})
		})
	}
}
