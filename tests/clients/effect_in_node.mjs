// node effect_in_node.mjs URL VERSION ID: prints the receipt of one effect as JSON.

import mqtt from "mqtt";
import { effect } from "./effect.mjs";

const [url, version, id] = process.argv.slice(2);
console.log(JSON.stringify(await effect(mqtt, url, Number(version), id)));
