// OpenAI's client for Node on one workspace: SITE, KEY, the id of a finished clip (MADE), and a signed webhook (HOOK).
import OpenAI, {toFile} from "openai";

const {SITE, KEY, MADE, HOOK, PICTURE} = process.env;
const client = new OpenAI({baseURL: `${SITE}/v1`, apiKey: KEY, maxRetries: 0});

async function refusal(call) {
  try {
    await call;
    return null;
  } catch (error) {
    return {kind: error.constructor.name, status: error.status, code: error.code, param: error.param};
  }
}

const picture = () => toFile(Buffer.from(PICTURE, "base64"), "a.png", {type: "image/png"});
const asked = {model: "toy", prompt: "a fox"};
const created = await client.videos.create({...asked, seconds: "2", size: "96x64"});
const fromPicture = await client.videos.create({...asked, input_reference: await picture()});
const listed = [];
for await (const video of client.videos.list({limit: 1})) listed.push(video.id);
const content = await client.videos.downloadContent(MADE);
const hook = JSON.parse(HOOK);

console.log(JSON.stringify({
  created: {id: created.id, status: created.status, seconds: created.seconds, size: created.size, held: created.lm.cost.held},
  fromPicture: fromPicture.lm.mode,
  extended: (await client.videos.extend({prompt: "it runs", seconds: "2", video: {id: MADE}})).lm.mode,
  listed,
  retrieved: await client.videos.retrieve(MADE),
  bytes: Buffer.from(await content.arrayBuffer()).toString("base64"),
  thumbnail: (await client.videos.downloadContent(MADE, {variant: "thumbnail"})).headers.get("content-type"),
  tooEarly: await refusal(client.videos.downloadContent(created.id)),
  byAddress: await refusal(client.videos.create({...asked, input_reference: {image_url: "https://example.org/a.png"}})),
  wrongSize: await refusal(client.videos.create({...asked, size: "1x1"})),
  wrongKey: await refusal(new OpenAI({baseURL: `${SITE}/v1`, apiKey: "lm_wrong", maxRetries: 0}).models.list()),
  unwrapped: await client.webhooks.unwrap(hook.body, hook.headers, hook.secret),
  deleted: await client.videos.delete(MADE),
}));
