// Starts what a page needs.
import { startActs } from "./acts.js";
import { startChoices } from "./fields.js";
import { startBulk } from "./bulk.js";
import { startLive } from "./live.js";
import { startLogs } from "./logs.js";
import { startTimes } from "./times.js";

startTimes();
startActs();
startBulk();
startChoices();
startLogs();
startLive();
