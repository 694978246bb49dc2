/**
 * The directories of the simulated disk. Every directory has the entries a process sees and those
 * on the disk; the difference is a list of operations, each of which a power loss keeps or undoes
 * as a whole, independently of the others, until its directory is synced. A rename between two
 * directories is one operation until one of the two is synced.
 *
 * Paths are POSIX; a relative path starts at the root.
 */
import { posix } from 'node:path';
import type { CrashChooser, MemFileNode, Space } from './mem-file-node.js';

export class MemDirectoryNode {
  readonly kind = 'directory';
  entries: Map<string, MemNode> = new Map();
  durable: Map<string, MemNode> = new Map();
}

export type MemNode = MemFileNode | MemDirectoryNode;

export type DirectoryChange = 'create' | 'link' | 'remove' | 'rename' | 'mkdir' | 'rmdir';

/** Sets (or with null deletes) one entry. */
interface Effect {
  readonly directory: MemDirectoryNode;
  readonly name: string;
  readonly node: MemNode | null;
}

interface UnsyncedChange {
  readonly change: DirectoryChange;
  readonly path: string;
  /** Target of a rename, '' otherwise. */
  readonly to: string;
  /** In order; fewer than at first when one of two directories was synced. */
  effects: Effect[];
}

/** What the tree asks when power is lost, beside the questions of its files. */
export interface TreeCrashChooser extends CrashChooser {
  /** Did the change reach the disk? */
  keepChange(change: DirectoryChange, path: string, to: string): boolean;
}

/** Where an entry is, or would be. */
export interface Location {
  readonly parent: MemDirectoryNode;
  readonly name: string;
}

export class MemTree {
  #root: MemDirectoryNode;
  #unsynced: UnsyncedChange[];

  constructor() {
    this.#root = new MemDirectoryNode();
    this.#unsynced = [];
  }

  /** What a path names; undefined when nothing. The path of a file with a trailing part names nothing. */
  find(path: string): MemNode | undefined {
    let node: MemNode | undefined = this.#root;
    for (const name of partsOf(path)) {
      if (node?.kind !== 'directory') return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  /** The directory in which the last part of a path would be an entry, or an errno. */
  locate(path: string): Location | string {
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) return 'EBUSY';
    let parent: MemNode = this.#root;
    for (const part of parts) {
      const next: MemNode | undefined = parent.entries.get(part);
      if (next === undefined) return 'ENOENT';
      if (next.kind !== 'directory') return 'ENOTDIR';
      parent = next;
    }
    return { parent, name };
  }

  /** Adds an entry: of a new node, or (link) of a file that has one. Requires: the name is free. */
  add(
    change: 'create' | 'link' | 'mkdir',
    path: string,
    parent: MemDirectoryNode,
    name: string,
    node: MemNode,
  ): void {
    this.#apply({ change, path, to: '', effects: [{ directory: parent, name, node }] });
  }

  /** Removes an entry. Requires: it is there, and a directory is empty. */
  drop(change: 'remove' | 'rmdir', path: string, parent: MemDirectoryNode, name: string): void {
    this.#apply({ change, path, to: '', effects: [{ directory: parent, name, node: null }] });
  }

  /** Moves an entry over another or a free name. Requires: `node` is the entry `fromName`. */
  move(
    from: Location & { readonly path: string },
    to: Location & { readonly path: string },
    node: MemNode,
  ): void {
    const effects: Effect[] = [
      { directory: from.parent, name: from.name, node: null },
      { directory: to.parent, name: to.name, node },
    ];
    this.#apply({ change: 'rename', path: from.path, to: to.path, effects });
  }

  #apply(change: UnsyncedChange): void {
    for (const { directory, name, node } of change.effects) {
      const before = directory.entries.get(name);
      if (node === null) directory.entries.delete(name);
      else {
        directory.entries.set(name, node);
        if (node.kind === 'file') node.links++;
      }
      if (before?.kind === 'file') before.links--;
    }
    // Afterwards only, because a rename takes the file's one link away before it gives it back.
    this.#unsynced.push(change);
  }

  /** Makes all entries of a directory durable. */
  sync(directory: MemDirectoryNode): void {
    directory.durable = new Map(directory.entries);
    for (const change of this.#unsynced) {
      change.effects = change.effects.filter((effect) => effect.directory !== directory);
    }
    this.#unsynced = this.#unsynced.filter((change) => change.effects.length > 0);
  }

  /** Makes everything durable: a starting point for a test. */
  syncAll(upTo: number): void {
    syncNode(this.#root, upTo);
    this.#unsynced = [];
  }

  /** Every change of a directory that a power loss may undo, as "change path[ to]". */
  unsyncedChanges(): string[] {
    return this.#unsynced.map(
      ({ change, path, to }) => `${change} ${path}${to === '' ? '' : ` ${to}`}`,
    );
  }

  /** Calls `visit` with every file a process can reach, in the order of names. */
  forEachFile(visit: (path: string, file: MemFileNode) => void): void {
    walk(this.#root, '/', visit);
  }

  /** Copies everything, unsynced states included. */
  clone(space: Space): MemTree {
    const copy = new MemTree();
    const copies = new Map<MemNode, MemNode>();
    copy.#root = cloneNode(this.#root, space, copies) as MemDirectoryNode;
    copy.#unsynced = this.#unsynced.map((change) => ({
      ...change,
      effects: change.effects.map(({ directory, name, node }) => ({
        directory: cloneNode(directory, space, copies) as MemDirectoryNode,
        name,
        node: node === null ? null : cloneNode(node, space, copies),
      })),
    }));
    countLinks(copies.values());
    return copy;
  }

  /** The tree as found after a power loss; everything in it is durable. */
  crash(space: Space, chooser: TreeCrashChooser): MemTree {
    const found = new Map<MemDirectoryNode, Map<string, MemNode>>();
    const entriesOf = (directory: MemDirectoryNode): Map<string, MemNode> => {
      let entries = found.get(directory);
      if (entries === undefined) found.set(directory, (entries = new Map(directory.durable)));
      return entries;
    };
    for (const { change, path, to, effects } of this.#unsynced) {
      if (!chooser.keepChange(change, path, to)) continue;
      for (const { directory, name, node } of effects) {
        if (node === null) entriesOf(directory).delete(name);
        else entriesOf(directory).set(name, node);
      }
    }
    const copy = new MemTree();
    const copies = new Map<MemNode, MemNode>();
    const build = (node: MemNode, path: string): MemNode => {
      const known = copies.get(node);
      if (known !== undefined) return known;
      if (node.kind === 'file') {
        const file = node.crash(space, path, chooser);
        copies.set(node, file);
        return file;
      }
      const directory = new MemDirectoryNode();
      copies.set(node, directory);
      for (const [name, child] of byName(entriesOf(node))) {
        directory.entries.set(name, build(child, posix.join(path, name)));
      }
      directory.durable = new Map(directory.entries);
      return directory;
    };
    copy.#root = build(this.#root, '/') as MemDirectoryNode;
    countLinks(copies.values());
    return copy;
  }
}

function partsOf(path: string): string[] {
  return posix
    .normalize(`/${path}`)
    .split('/')
    .filter((part) => part !== '');
}

function byName(entries: Map<string, MemNode>): [string, MemNode][] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}

function walk(node: MemNode, path: string, visit: (path: string, file: MemFileNode) => void): void {
  if (node.kind === 'file') visit(path, node);
  else for (const [name, child] of byName(node.entries)) walk(child, posix.join(path, name), visit);
}

function syncNode(node: MemNode, upTo: number): void {
  if (node.kind === 'file') {
    node.sync(upTo);
    return;
  }
  node.durable = new Map(node.entries);
  for (const child of node.entries.values()) syncNode(child, upTo);
}

function cloneNode(node: MemNode, space: Space, copies: Map<MemNode, MemNode>): MemNode {
  const known = copies.get(node);
  if (known !== undefined) return known;
  if (node.kind === 'file') {
    const file = node.clone(space);
    copies.set(node, file);
    return file;
  }
  const directory = new MemDirectoryNode();
  copies.set(node, directory);
  for (const [name, child] of node.entries)
    directory.entries.set(name, cloneNode(child, space, copies));
  for (const [name, child] of node.durable)
    directory.durable.set(name, cloneNode(child, space, copies));
  return directory;
}

/** A file that only a handle kept alive has no handle on the copy: its storage goes back. */
function countLinks(nodes: Iterable<MemNode>): void {
  const all = [...nodes];
  for (const node of all) {
    if (node.kind !== 'directory') continue;
    for (const child of node.entries.values()) if (child.kind === 'file') child.links++;
  }
  for (const node of all) if (node.kind === 'file') node.maybeFree();
}
