export * from "./peer-compliance.js";
