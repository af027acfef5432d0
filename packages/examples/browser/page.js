// Subscribes to the committed entries and shows each of them once, in their order, whichever server
// the browser is connected to.
import { createClient, errorCodeOf, eventDocument } from "@quorate/client";
import { Chart } from "./chart.js";

const LOG_ROWS_MAX = 8;
const element = (id) => document.getElementById(id);
const show = (id, text) => (element(id).textContent = text);
const chart = new Chart(element("chart"));
let lost = 0;

const { servers, prefix } = await (await fetch("/settings.json")).json();
show("prefix", prefix);
await follow();

async function follow() {
  const client = createClient({ servers }, { openSocket });
  try {
    // The first bookmark says where the stream begins, later ones that nothing was missed.
    for await (const event of client.subscribe({ prefix, bookmarks: true })) {
      const { txnid, operations } = eventDocument(event);
      show("txnid", txnid);
      for (const operation of operations) add(txnid, operation);
    }
  } catch (error) {
    setState("ended", `ended: ${errorCodeOf(error) ?? error}`);
  } finally {
    client.close();
  }
}

/** As the client would by itself; and tells what becomes of the connection. */
function openSocket(url, subprotocol) {
  const socket = new WebSocket(url, subprotocol);
  let isOpen = false;
  socket.addEventListener("open", () => {
    isOpen = true;
    setState("connected", `connected to ${new URL(url).host}`);
  });
  socket.addEventListener("close", () => {
    if (!isOpen || element("state").dataset.state === "ended") return;
    lost += 1;
    show("lost", lost);
    setState("connecting", "looking for another server");
  });
  return socket;
}

function setState(state, text) {
  element("state").dataset.state = state;
  show("state", text);
}

function add(txnid, { kind, path, data = "" }) {
  const row = document.createElement("tr");
  for (const text of [txnid, kind, path, data]) row.insertCell().textContent = text;
  row.lastElementChild.className = "number";
  element("log").prepend(row);
  if (element("log").rows.length > LOG_ROWS_MAX) element("log").lastElementChild.remove();
  const value = Number(data);
  if (data === "" || !Number.isFinite(value)) return;
  chart.add(txnid, value);
  show("value", data);
  show("count", chart.count);
}
