"""The trie of needles: paths of tokens that end in entries, folded into roots, edges and tails."""

from __future__ import annotations

import numpy as np
from numba import njit

from mc2lib.recipe.curation.index_tokens import Bytes, Ids, Words
from mc2lib.recipe.curation.perfect_hash import HALF, MIXER, Codes, Offsets

#: What a path of the trie ends in: the entry + 1, or the place in `several` of a count and this many such items.
ENTRY = np.uint32((1 << 30) - 1)
AFTER_SPACE = np.uint32(1 << 30)  # counts only after a space
SEVERAL = np.uint32(1 << 31)
#: How a path continues: 0 not at all, the node's number, or the place in `tails` of a count, this many tokens, and what
#: they end in.
TAIL = np.uint32(1 << 31)
PLACE = np.uint32((1 << 31) - 1)


def end_paths(leaves: Ids, behind: Bytes, n_nodes: int) -> tuple[Words, Words, Words]:
    """Find what ends at each node.

    Args:
        leaves: int32 [n], the node at which each needle's path ends; -1 for an empty path.
        behind: uint8 [n], 1 for needles that begin with a space.
        n_nodes: how many nodes the trie has.

    Returns:
        What ends at each node, uint32 [n_nodes], and the `several` and `everywhere` of an index.
    """
    words = np.arange(1, len(leaves) + 1, dtype=np.uint32) | (behind.astype(np.uint32) << np.uint32(30))
    everywhere = np.flatnonzero(leaves < 0).astype(np.uint32)  # a padded text has a space, whatever it says
    order = np.argsort(leaves, kind="stable")[len(everywhere) :]
    nodes, first, counts = np.unique(leaves[order], return_index=True, return_counts=True)
    ends = np.zeros(n_nodes, np.uint32)
    ends[nodes] = words[order[first]]
    several = [np.zeros(1, np.uint32)]
    place = 1
    for at in np.flatnonzero(counts > 1):
        group = words[order[first[at] : first[at] + counts[at]]]
        ends[nodes[at]] = SEVERAL | np.uint32(place)
        several += [np.array([len(group)], np.uint32), group]
        place += 1 + len(group)
    return ends, np.concatenate(several), everywhere


@njit(cache=True, nogil=True)
def grow_trie(paths: Words, bounds: Offsets) -> tuple[Ids, Words, Ids]:  # pragma: no cover (compiled)
    """Number the nodes of a trie in the order in which paths reach them.

    Args:
        paths: uint32, the tokens of all paths, end to end.
        bounds: int64 [n + 1], where each path begins and ends.

    Returns:
        Each node's parent, int32 (-1 for none); each node's token, uint32; each path's last node, int32 [n] (-1 for an
        empty path).
    """
    room = 16
    while room < len(paths) + len(paths) // 2:
        room *= 2
    known = np.zeros(room, np.int32)
    parents = np.empty(len(paths), np.int32)
    labels = np.empty(len(paths), np.uint32)
    leaves = np.empty(len(bounds) - 1, np.int32)
    n = 0
    for i in range(len(leaves)):
        node = -1
        for j in range(bounds[i], bounds[i + 1]):
            key = np.uint64(node + 1) << HALF | np.uint64(paths[j])
            slot = np.int64(((key ^ (key >> HALF)) * MIXER) >> HALF) & (room - 1)
            while known[slot] != 0 and (parents[known[slot] - 1] != node or labels[known[slot] - 1] != paths[j]):
                slot = (slot + 1) & (room - 1)
            if known[slot] == 0:
                parents[n], labels[n] = node, paths[j]
                n += 1
                known[slot] = n
            node = known[slot] - 1
        leaves[i] = node
    return parents[:n].copy(), labels[:n].copy(), leaves


@njit(cache=True, nogil=True)
def fold_trie(
    parents: Ids, labels: Words, ends: Words, n_tokens: int
) -> tuple[Words, Codes, Words, Words]:  # pragma: no cover (compiled)
    """Fold a trie: first tokens become roots, forks edges, and stretches without a fork tails.

    Args:
        parents: int32 [nodes], see `grow_trie`.
        labels: uint32 [nodes], see `grow_trie`.
        ends: uint32 [nodes], see `end_paths`.
        n_tokens: how many tokens there are.

    Returns:
        `roots`; the keys of the edges, uint64 [e], node << 32 | token; what each ends in and how it continues, uint32
        [e, 2]; and `tails`.
    """
    n = len(parents)
    below = np.zeros(n, np.int32)  # how many paths end further down
    for node in range(n - 1, -1, -1):
        if parents[node] >= 0:
            below[parents[node]] += below[node] + (ends[node] != 0)
    onward = np.zeros(n, np.uint32)
    n_forks = n_edges = 0
    size = 1
    for node in range(n):
        kept = parents[node] < 0 or below[parents[node]] > 1
        n_edges += kept and parents[node] >= 0
        if below[node] > 1:
            n_forks += 1
            onward[node] = n_forks
        size += 0 if kept else 3
    tails = np.zeros(size, np.uint32)
    place = 1
    for leaf in range(n):
        if ends[leaf] == 0:
            continue
        top, count = leaf, 0
        while parents[top] >= 0 and below[parents[top]] < 2:
            top = parents[top]
            count += 1
        if count == 0 or below[top] != 1 or ends[leaf] == 0:
            continue
        onward[top] = TAIL | np.uint32(place)
        tails[place] = count
        node = leaf
        for i in range(count):
            tails[place + count - i] = labels[node]
            node = parents[node]
        tails[place + count + 1] = ends[leaf]
        place += count + 2
    roots = np.zeros((n_tokens, 2), np.uint32)
    keys = np.empty(n_edges, np.uint64)
    fates = np.empty((n_edges, 2), np.uint32)
    n_edges = 0
    for node in range(n):
        if parents[node] < 0:
            roots[labels[node], 0], roots[labels[node], 1] = ends[node], onward[node]
        elif below[parents[node]] > 1:
            keys[n_edges] = np.uint64(onward[parents[node]]) << HALF | np.uint64(labels[node])
            fates[n_edges, 0], fates[n_edges, 1] = ends[node], onward[node]
            n_edges += 1
    return roots, keys, fates, tails[:place].copy()
