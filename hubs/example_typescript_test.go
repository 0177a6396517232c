package hubs_test

import (
	"iter"
	"os"

	"github.com/go-signalr/signalr/hubs"
)

// Quote is a price at a moment.
type Quote struct {
	Symbol string   `json:"symbol"`
	Price  float64  `json:"price"`
	Tags   []string `json:"tags,omitempty"`
}

// Stocks is the hub to declare.
type Stocks struct{}

// Buy returns the number of shares bought.
func (*Stocks) Buy(_ *hubs.Context, symbol string, limit *float64) (int, error) { return 0, nil }

// Watch streams quotes.
func (*Stocks) Watch(_ *hubs.Context, symbols []string) iter.Seq2[Quote, error] { return nil }

func ExampleHub_WriteTypeScript() {
	stocks, err := hubs.New(&Stocks{})
	if err != nil {
		panic(err)
	}
	if err := stocks.WriteTypeScript(os.Stdout, hubs.NewEvent1[Quote]("traded")); err != nil {
		panic(err)
	}
	// Output:
	// // Code generated from the hub "Stocks". DO NOT EDIT.
	//
	// import type * as signalR from "@microsoft/signalr";
	//
	// export interface Quote {
	//   symbol: string;
	//   price: number;
	//   tags?: string[];
	// }
	//
	// /** A HubConnection that knows the methods of the hub and of its clients. */
	// export interface StocksConnection extends Omit<signalR.HubConnection, "invoke" | "send" | "stream" | "on" | "off"> {
	//   invoke(method: "Buy", arg1: string, arg2: number | null): Promise<number>;
	//   send(method: "Buy", arg1: string, arg2: number | null): Promise<void>;
	//   stream(method: "Watch", arg1: string[]): signalR.IStreamResult<Quote>;
	//   on(method: "traded", handler: (arg1: Quote) => void): void;
	//   off(method: "traded", handler?: (arg1: Quote) => void): void;
	// }
}
