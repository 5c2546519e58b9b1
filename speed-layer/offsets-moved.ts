/**
 * The lake or the hot store does not stand where this worker's rows begin: another writer was there, or
 * a commit before this one failed. The offsets are read again and work goes on from there.
 */
export class OffsetsMoved extends Error {}
