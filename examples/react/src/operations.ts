// The operations of http://127.0.0.1:8000, as `headway-types` found them. Do not edit: write it anew.

/**
 * Takes its steps, says so, and does nothing.
 */
export interface Simulate {
  input: SimulateInput;
  result: SimulateResult;
}
/**
 * What the run is to look like from outside.
 */
export interface SimulateInput {
  /**
   * How many steps it takes.
   */
  steps?: number;
  /**
   * Seconds from one step to the next.
   */
  interval?: number;
  /**
   * Seconds without any event, after the last step.
   */
  silent?: number;
  /**
   * Bytes of each step's message; 0 for a short one.
   */
  payload?: number;
  /**
   * The step at which it fails.
   */
  fail_at?: number | null;
  /**
   * Seconds of processor time that each step burns.
   */
  burn?: number;
  /**
   * The step at which it asks whether to go on.
   */
  ask_at?: number | null;
  /**
   * Where it runs.
   */
  runs_in?: "greenlet" | "thread" | "process";
}
export interface SimulateResult {
  [k: string]: unknown;
}

/** `startRun<Operations['NAME']>(...)`, `useRun<Operations['NAME']>(...)`. */
export interface Operations {
  "simulate": Simulate;
}
