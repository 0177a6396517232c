// The chat's page for classic clients: jQuery, the client of ASP.NET SignalR 2.x and the script that the server generates
// from the hub at /signalr/hubs. What the server calls is in chat.client, what it can be called with in chat.server.

$(function () {
  "use strict";

  const connection = $.connection.hub;
  const chat = $.connection.chatHub;

  const own = new Set(); // ids of this page's user: every connection has one
  const known = new Set(); // ids of the lines on the page
  const revisions = { rooms: 0, people: 0 }; // of what is on the page: news may overtake each other
  let room = ""; // the one this page is in; empty: none
  let name = "";

  // From the server.

  chat.client.welcome = function (welcome) {
    own.add(welcome.you.id);
    $("#name").prop("maxLength", welcome.limits.name);
    $("#room").prop("maxLength", welcome.limits.room);
    $("#text").prop("maxLength", welcome.limits.text);
    $("#node").text(welcome.node ? "node " + welcome.node : "");
    showRooms(welcome.rooms);
    if (room && connection.state === $.signalR.connectionState.connected) {
      join(room); // it may be that the server has forgotten this page
    }
  };
  chat.client.roomsChanged = showRooms;
  chat.client.peopleChanged = function (where, roster) {
    if (where === room) {
      showPeople(roster);
    }
  };
  chat.client.lineAdded = function (where, line) {
    if (where === room) {
      addLine(line);
    }
  };
  chat.client.messageReceived = function (message) {
    add($("<li class='announcement'>").append($("<span class='label'>").text("To everyone"), " ", said(message)));
  };

  // To the server.

  async function join(wanted) {
    const before = room;
    const view = await chat.server.join(name, wanted);
    if (before && before !== view.room) {
      await chat.server.leave(before);
    }
    if (view.room !== before) {
      known.clear();
      $("#lines").empty();
      revisions.people = 0;
    }
    room = view.room;
    $("#room").val(room);
    $("#title").text("# " + room);
    $("#talk").prop("hidden", false);
    view.lines.forEach(addLine);
    showPeople(view.roster);
  }

  $("#enter").on("submit", function (event) {
    event.preventDefault();
    name = $("#name").val();
    attempt(async function () {
      await join($("#room").val());
      $("#text").trigger("focus");
    });
  });
  $("#compose").on("submit", function (event) {
    event.preventDefault();
    send((text) => chat.server.say(room, text));
  });
  $("#everyone").on("click", function () {
    send((text) => chat.server.send(text));
  });

  function send(how) {
    const text = $("#text").val();
    if (text.trim() !== "") {
      attempt(async function () {
        await how(text);
        $("#text").val("").trigger("focus");
      });
    }
  }

  async function attempt(action) {
    try {
      await action();
      showProblem("");
    } catch (error) {
      showProblem(error.source === "HubException" ? error.message : "That did not work. Please try again.");
    }
  }

  // The connection. It comes back by itself, as the same, to whatever server there is; only if none was there for half a
  // minute there has to be a new one.

  const states = {
    [$.signalR.connectionState.connecting]: "connecting",
    [$.signalR.connectionState.connected]: "connected",
    [$.signalR.connectionState.reconnecting]: "reconnecting",
    [$.signalR.connectionState.disconnected]: "disconnected",
  };
  const texts = {
    connecting: "Connecting…",
    connected: "Connected",
    reconnecting: "Reconnecting…",
    disconnected: "Disconnected",
  };
  connection.stateChanged(function ({ newState }) {
    const state = states[newState];
    $("#state").attr("data-state", state).text(texts[state]);
    if (state === "connected") {
      $("<span class='transport'>").text(" by " + connection.transport.name).appendTo("#state");
    }
  });
  connection.disconnected(function () {
    setTimeout(start, 2000 + 3000 * Math.random());
  });

  function start() {
    connection.start().done(function () {
      showProblem("");
      if (room) {
        attempt(() => join(room)); // the server knows people only by connection
      }
    });
  }
  start();

  // On the page. All text goes in as text, never as HTML.

  function showRooms({ revision, rooms }) {
    if (revision > revisions.rooms) {
      revisions.rooms = revision;
      $("#room-names").empty().append(rooms.map((room) => $("<option>").val(room.name)));
    }
  }

  function showPeople({ revision, people }) {
    if (revision > revisions.people) {
      revisions.people = revision;
      $("#people").text(people.map((person) => person.name).join(", "));
    }
  }

  function addLine(line) {
    if (known.has(line.id)) {
      return; // a newcomer may get a line as history and as news
    }
    known.add(line.id);
    const mine = own.has(line.from.id);
    const who = $("<bdi class='name'>").text(mine ? "You" : line.from.name);
    const what = {
      said: () => [who, " ", said(line.text)],
      joined: () => [who, " joined"],
      left: () => [who, " left"],
      renamed: () => [$("<bdi class='name'>").text(line.text), " is now ", $("<bdi>").text(line.from.name)],
    };
    const time = new Date(line.at);
    add($("<li>").data("id", line.id).toggleClass("mine", mine).append(
      $("<time>").attr("datetime", time.toISOString())
        .text(time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })),
      $("<p>").toggleClass("hint", line.kind !== "said").append(what[line.kind]?.() ?? [])));
  }

  function said(text) {
    return $("<bdi class='text'>").text(text);
  }

  /** Adds an item in the order of the lines' ids; one without an id stays where it came. */
  function add(item) {
    const log = $("#log")[0];
    const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    const id = item.data("id");
    const later = $("#lines > li").filter((_, other) => $(other).data("id") > id).first();
    if (later.length > 0) {
      later.before(item);
    } else {
      $("#lines").append(item);
    }
    if (follows) {
      log.scrollTop = log.scrollHeight;
    }
  }

  function showProblem(text) {
    $("#problem").prop("hidden", text === "");
    $("#problem-text").text(text);
  }
});
