package classic

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
)

// script is the generated proxy without the path of the endpoint, which is put
// between its halves for each request (classic reference 8).
type script struct{ head, tail string }

// The generated script. Handlers of a page are bound to its hub by a function of
// their own, which clients before 2.4 recognise by the comment in it.
const (
	scriptHead = `/* Proxies of the hubs of this server, for jquery.signalR 2.x. */
(function ($) {
    "use strict";
    if (typeof $.signalR !== "function") {
        throw new Error("The script of SignalR has to come before that of its hubs.");
    }

    function bind(hub, handler) {
        return function () {
            // Call the client hub method
            handler.apply(hub, $.makeArray(arguments));
        };
    }

    // each calls subscribe(hub, name of an event, handler) for the handlers of all hubs.
    function each(proxies, subscribe) {
        var own = Object.prototype.hasOwnProperty, key, name, hub, handler;
        for (key in proxies) {
            hub = own.call(proxies, key) && proxies[key];
            if (!hub || !hub.hubName) {
                continue;
            }
            for (name in hub.client) {
                handler = own.call(hub.client, name) && hub.client[name];
                if (typeof handler === "function") {
                    subscribe(hub, name, handler);
                }
            }
        }
    }

    function method(hub, name) {
        return function () {
            return hub.invoke.apply(hub, [name].concat($.makeArray(arguments)));
        };
    }

    function add(proxies, connection, key, methods) {
        var hub = proxies[key] = connection.createHubProxy(key), name;
        hub.client = {};
        hub.server = {};
        for (name in methods) {
            hub.server[name] = method(hub, methods[name]);
        }
    }

    $.hubConnection.prototype.createHubProxies = function () {
        var proxies = {};
        this.starting(function () {
            each(proxies, function (hub, name, handler) {
                hub.on(name, bind(hub, handler), handler);
            });
            this._registerSubscribedHubs();
        }).disconnected(function () {
            each(proxies, function (hub, name, handler) {
                hub.off(name, bind(hub, handler), handler);
            });
        });
`
	scriptEnd = `        return proxies;
    };

    $.signalR.hub = $.hubConnection(`
	scriptTail = `, { useDefaultPath: false });
    $.extend($.signalR, $.signalR.hub.createHubProxies());
}(window.jQuery));
`
)

func newScript(hubs []bridge.Hub) script {
	entries := make([]string, len(hubs))
	for i, h := range hubs {
		name, chosen := h.Name()
		if !chosen {
			name = lowerFirst(name)
		}
		var b strings.Builder
		b.WriteString("        add(proxies, this, " + quote(name) + ", {")
		for j, m := range h.Methods() {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteString("\n            " + quote(lowerFirst(m.Name)) + ": " + quote(m.Name))
		}
		b.WriteString("\n        });\n")
		entries[i] = b.String()
	}
	slices.Sort(entries)
	return script{scriptHead + strings.Join(entries, "") + scriptEnd, scriptTail}
}

// serve answers with the script for the endpoint at a path, or tells that the client has it already.
func (s script) serve(q *request, path string) {
	body := s.head + quote(path) + s.tail
	sum := sha256.Sum256([]byte(body))
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := q.w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache") // browsers keep it and ask whether it has changed
	h.Set("Content-Type", "application/javascript; charset=UTF-8")
	for candidate := range strings.SplitSeq(q.r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(candidate), "W/") == tag {
			q.w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	_, _ = q.w.Write([]byte(body)) // a client that went away needs no answer
}

// quote returns a text as a script's. It holds nothing that could end the script
// or a line of it.
func quote(s string) string { return string(appendJSON(nil, s)) }

func lowerFirst(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(first)) + s[size:]
}
