// A standard EventSource on one clip's events (SITE, KEY, MADE), until it says for itself that it has ended.
import {EventSource} from "eventsource";

const {SITE, KEY, MADE} = process.env;
const headers = {Authorization: `Bearer ${KEY}`};
const answers = [];
const source = new EventSource(`${SITE}/v1/videos/${MADE}/events`, {
  fetch: async (address, init) => {
    const answer = await fetch(address, {...init, headers: {...init.headers, ...headers}});
    answers.push(answer.status);
    return answer;
  },
});
const done = [];
source.addEventListener("done", (event) => done.push(JSON.parse(event.data)));
source.addEventListener("error", () => {
  if (source.readyState !== EventSource.CLOSED) return;
  console.log(JSON.stringify({answers, done}));
});
