// What every page does with scripts on. Every page works without them.
export {};
