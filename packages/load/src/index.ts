/**
 * A load for servers of ZooKeeper's protocol: closed or open loop, measured by histograms, in a way
 * that costs little itself.
 * @packageDocumentation
 */
export { CONNECTION_LOSS, type LoadConnection, type LoadSink } from "./connection.js";
export { keyChooser, zipfian, ZIPF_EXPONENT } from "./keys.js";
export {
  checkOrder,
  keyChoices,
  kindNames,
  KEYS_MAX,
  Kind,
  workloads,
  type KeyChoice,
  type LoadOrder,
  type Workload,
} from "./order.js";
export { Pacer } from "./pacer.js";
export { Plan } from "./plan.js";
export { claimRoot, cleanUp, prepare, type PrepareHooks, type TreeOrder } from "./prepare.js";
export { seededRandom } from "./random.js";
export { Recorder, type Latency, type LoadReport } from "./recorder.js";
export { LoadRunner, type RunHooks } from "./runner.js";
export { runLoad, type LoadOpener } from "./run-load.js";
export { valueOf } from "./value.js";
export { runZkLoad } from "./zk-load.js";
export { freshPath, keyPath, templatesOf as zkTemplates } from "./zk/frames.js";
export { ZkConnection } from "./zk/zk-connection.js";
export { WriteBuffers } from "./zk/write-buffers.js";
