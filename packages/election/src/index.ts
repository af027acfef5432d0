/**
 * Leader election by ballots (L1; Zab phase 0).
 * @packageDocumentation
 */
export {
  createElectionSite,
  type ElectionResult,
  type ElectionSite,
  type ElectionSiteDeps,
  type ElectionSiteOptions,
  type ElectionState,
} from "./election-site.js";
