// The JavaScript clients of model services: for each line `{"client": ..., "base": ...}` on standard input, what that
// client makes of the answer at that address, as a line on standard output. Text and the rest, or an error and its parts.

"use strict";

const { createInterface } = require("node:readline");
const { default: OpenAI } = require("openai");
const { default: Anthropic } = require("@anthropic-ai/sdk");
const { createAnthropic } = require("@ai-sdk/anthropic");
const { createOpenAI } = require("@ai-sdk/openai");
const { generateText, jsonSchema, streamText, tool } = require("ai");

globalThis.AI_SDK_LOG_WARNINGS = false; // it writes them to standard output

const messages = [{ role: "user", content: "?" }];
const key = { apiKey: "key" };
const tools = Object.fromEntries(
	["now", "get_weather"].map((name) => [name, tool({ inputSchema: jsonSchema({ type: "object" }) })]),
);

const openai = (base) => new OpenAI({ ...key, baseURL: `${base}/v1`, maxRetries: 0 });
const anthropic = (base) => new Anthropic({ ...key, baseURL: base, maxRetries: 0 });
const chatModel = (base) => createOpenAI({ ...key, baseURL: `${base}/v1` }).chat("m");
const messagesModel = (base) => createAnthropic({ ...key, baseURL: `${base}/v1` })("m");

const clients = {
	async openai(base) {
		let [text, calls, finish] = ["", "", null];
		const stream = await openai(base).chat.completions.create({ model: "m", messages, stream: true });
		for await (const { choices } of stream) {
			for (const choice of choices) {
				text += choice.delta.content ?? "";
				calls += (choice.delta.tool_calls ?? []).map((call) => call.function?.arguments ?? "").join("");
				finish = choice.finish_reason ?? finish;
			}
		}
		return [text, [calls, finish]];
	},
	async "openai whole"(base) {
		const request = openai(base).chat.completions.create({ model: "m", messages });
		const { data, request_id } = await request.withResponse();
		return [data.choices[0].message.content, [request_id, data.choices[0].finish_reason]];
	},
	async anthropic(base) {
		const message = await anthropic(base).messages.stream({ model: "m", max_tokens: 9, messages }).finalMessage();
		const texts = message.content.filter((block) => block.type === "text").map((block) => block.text);
		const calls = message.content.filter((block) => block.type === "tool_use").map((block) => block.input);
		return [texts.join(""), [calls, message.stop_reason]];
	},
	ai: (base) => streamed(chatModel(base)),
	"ai anthropic": (base) => streamed(messagesModel(base)),
	async "ai whole"(base) {
		const { text, finishReason, response } = await generateText({ model: chatModel(base), messages, maxRetries: 0 });
		return [text, [response.headers["x-request-id"], finishReason]];
	},
};

async function streamed(model) {
	let [text, calls, finish] = ["", [], null];
	const { fullStream } = streamText({ model, messages, tools, maxRetries: 0, onError: () => undefined });
	for await (const part of fullStream) {
		if (part.type === "error") throw part.error;
		if (part.type === "text-delta") text += part.text;
		if (part.type === "tool-call") calls.push(part.input);
		if (part.type === "finish") finish = part.finishReason;
	}
	return [text, [calls, finish]];
}

// What its callers can tell an error by: the two SDKs' own, the AI SDK's, and what a provider sent as a value.
function failure(error) {
	const name = error.constructor?.name;
	const status = error.status ?? error.statusCode ?? null;
	const retryAfter = error.headers?.get?.("retry-after") ?? error.responseHeaders?.["retry-after"] ?? null;
	const body = error.error ?? error.responseBody ?? (name === "Object" ? error : null);
	return ["error", [name, status, retryAfter, body, error.requestID ?? null]];
}

async function main() {
	for await (const line of createInterface({ input: process.stdin })) {
		const { client, base } = JSON.parse(line);
		console.log(JSON.stringify(await clients[client](base).catch(failure)));
	}
}

main();
