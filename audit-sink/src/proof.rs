//! RFC 6962 proofs: made from the tiles, checked by pure functions that need nothing else.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::merkle::{Hash, TILE, empty_root, fold, node_hash, split};

/// A tile's level and number.
pub type TileId = (u8, u64);

/// Where inner nodes come from.
pub trait Nodes {
    /// The root of the full subtree of `2^level` leaves that begins at leaf `index << level`.
    fn node(&self, level: u8, index: u64) -> Option<Hash>;
}

/// Tiles at hand.
#[derive(Clone, Debug, Default)]
pub struct Tiles(pub BTreeMap<TileId, Vec<Hash>>);

impl Nodes for Tiles {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let (tile, start, count) = place(level, index);
        fold(self.0.get(&tile)?.get(start..start + count)?)
    }
}

/// Asks for nodes to learn which tiles they are in.
#[derive(Debug, Default)]
pub struct Needed(RefCell<BTreeSet<TileId>>);

impl Needed {
    /// The tiles that were asked for.
    #[must_use]
    pub fn into_tiles(self) -> BTreeSet<TileId> {
        self.0.into_inner()
    }
}

impl Nodes for Needed {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.0.borrow_mut().insert(place(level, index).0);
        Some([0; 32])
    }
}

/// The tile that holds a node, and which of its hashes lie below it.
fn place(level: u8, index: u64) -> (TileId, usize, usize) {
    let within = level % 8;
    let first = index << within;
    let tile = (level / 8, first / TILE as u64);
    (tile, (first % TILE as u64) as usize, 1 << within)
}

/// The root of the first `size` leaves; `None` when a tile is missing.
pub fn root(nodes: &impl Nodes, size: u64) -> Option<Hash> {
    if size == 0 {
        return Some(empty_root());
    }
    subtree(nodes, 0, size)
}

/// The proof that leaf `index` is among the first `size`; `None` when it is not, or a tile is missing.
pub fn inclusion(nodes: &impl Nodes, index: u64, size: u64) -> Option<Vec<Hash>> {
    if index >= size {
        return None;
    }
    path(nodes, index, 0, size)
}

/// The proof that the tree of `old` leaves is a prefix of that of `new`; `None` when it cannot be, or
/// a tile is missing.
pub fn consistency(nodes: &impl Nodes, old: u64, new: u64) -> Option<Vec<Hash>> {
    match old {
        _ if old > new => None,
        0 => Some(Vec::new()),
        _ => subproof(nodes, old, 0, new, true),
    }
}

fn subtree(nodes: &impl Nodes, from: u64, to: u64) -> Option<Hash> {
    let size = to - from;
    if size.is_power_of_two() {
        let level = size.ilog2();
        return nodes.node(level as u8, from >> level);
    }
    let middle = from + split(size);
    Some(node_hash(
        &subtree(nodes, from, middle)?,
        &subtree(nodes, middle, to)?,
    ))
}

fn path(nodes: &impl Nodes, index: u64, from: u64, to: u64) -> Option<Vec<Hash>> {
    if to - from == 1 {
        return Some(Vec::new());
    }
    let middle = from + split(to - from);
    let (mut path, sibling) = if index < middle {
        (
            path(nodes, index, from, middle)?,
            subtree(nodes, middle, to)?,
        )
    } else {
        (
            path(nodes, index, middle, to)?,
            subtree(nodes, from, middle)?,
        )
    };
    path.push(sibling);
    Some(path)
}

fn subproof(nodes: &impl Nodes, old: u64, from: u64, to: u64, whole: bool) -> Option<Vec<Hash>> {
    if old == to - from {
        return if whole {
            Some(Vec::new())
        } else {
            Some(vec![subtree(nodes, from, to)?])
        };
    }
    let left = split(to - from);
    let middle = from + left;
    let (mut proof, sibling) = if old <= left {
        (
            subproof(nodes, old, from, middle, whole)?,
            subtree(nodes, middle, to)?,
        )
    } else {
        (
            subproof(nodes, old - left, middle, to, false)?,
            subtree(nodes, from, middle)?,
        )
    };
    proof.push(sibling);
    Some(proof)
}

/// Whether `proof` shows that `leaf` is number `index` of the `size` leaves under `root`.
#[must_use]
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the `old` leaves under `old_root` begin the `new` leaves under `new_root`.
#[must_use]
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    // A full subtree is its own first step, so the proof leaves it out.
    let (start, rest) = if old.is_power_of_two() {
        (*old_root, proof)
    } else {
        match proof.split_first() {
            Some((first, rest)) => (*first, rest),
            None => return false,
        }
    };
    let (mut old_hash, mut new_hash) = (start, start);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::merkle::Tree;
    use crate::merkle::tests::{leaves, naive_root};

    fn tiles(all: &[Hash]) -> Tiles {
        let mut tree = Tree::default();
        let mut chunks = Vec::new();
        for leaf in all {
            tree.append(*leaf, &mut chunks);
        }
        let mut tiles = Tiles::default();
        for chunk in chunks {
            tiles
                .0
                .entry((chunk.level, chunk.n))
                .or_default()
                .extend(chunk.hashes);
        }
        tiles
    }

    /// PATH of RFC 6962, section 2.1.1, word for word.
    fn naive_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = split(leaves.len() as u64) as usize;
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if m < k {
            (naive_path(m, left), naive_root(right))
        } else {
            (naive_path(m - k, right), naive_root(left))
        };
        path.push(sibling);
        path
    }

    #[test]
    fn inclusion_holds_for_every_leaf_of_every_small_tree() {
        let all = leaves(70);
        let tiles = tiles(&all);
        for size in 1..=all.len() {
            let root = naive_root(&all[..size]);
            assert_eq!(super::root(&tiles, size as u64), Some(root));
            for index in 0..size {
                let proof = inclusion(&tiles, index as u64, size as u64).unwrap();
                assert_eq!(proof, naive_path(index, &all[..size]));
                let holds = |index: usize, size: usize, leaf: &Hash, proof: &[Hash]| {
                    verify_inclusion(index as u64, size as u64, leaf, proof, &root)
                };
                assert!(holds(index, size, &all[index], &proof));
                assert!(!holds(index, size, &leaves(71)[70], &proof), "another leaf");
                for wrong in 0..=size {
                    assert!(wrong == index || !holds(wrong, size, &all[index], &proof));
                }
                let mut longer = proof.clone();
                longer.push(all[0]);
                assert!(!holds(index, size, &all[index], &longer));
                for step in 0..proof.len() {
                    let mut bent = proof.clone();
                    bent[step][0] ^= 1;
                    assert!(!holds(index, size, &all[index], &bent));
                    let mut shorter = proof.clone();
                    shorter.remove(step);
                    assert!(!holds(index, size, &all[index], &shorter));
                }
            }
        }
        assert_eq!(inclusion(&tiles, 3, 3), None);
    }

    #[test]
    fn consistency_holds_between_all_small_trees() {
        let all = leaves(70);
        let tiles = tiles(&all);
        for new in 0..=all.len() {
            for old in 0..=new {
                let (a, b) = (naive_root(&all[..old]), naive_root(&all[..new]));
                let (old, new) = (old as u64, new as u64);
                let proof = consistency(&tiles, old, new).unwrap();
                assert!(verify_consistency(old, new, &a, &b, &proof), "{old} {new}");
                let mut other = a;
                other[31] ^= 1;
                assert!(!verify_consistency(old, new, &other, &b, &proof));
                let mut longer = proof.clone();
                longer.push(a);
                assert!(!verify_consistency(old, new, &a, &b, &longer));
                for step in 0..proof.len() {
                    let mut bent = proof.clone();
                    bent[step][0] ^= 1;
                    assert!(!verify_consistency(old, new, &a, &b, &bent));
                    let mut shorter = proof.clone();
                    shorter.remove(step);
                    assert!(!verify_consistency(old, new, &a, &b, &shorter));
                }
            }
        }
        assert_eq!(consistency(&tiles, 5, 4), None);
    }

    #[test]
    fn proofs_over_several_tiles_hold_and_ask_only_for_tiles_that_exist() {
        let all = leaves(70_000);
        let tiles = tiles(&all);
        for size in [256_u64, 257, 511, 512, 65_536, 65_537, 69_999] {
            let root = super::root(&tiles, size).unwrap();
            assert_eq!(root, naive_root(&all[..size as usize]));
            for index in [0, 1, 255, 256, size - 1, size / 2] {
                if index >= size {
                    continue;
                }
                let needed = Needed::default();
                inclusion(&needed, index, size).unwrap();
                for tile in needed.into_tiles() {
                    assert!(tiles.0.contains_key(&tile), "{tile:?}");
                }
                let proof = inclusion(&tiles, index, size).unwrap();
                assert!(verify_inclusion(
                    index,
                    size,
                    &all[index as usize],
                    &proof,
                    &root
                ));
            }
        }
    }
}
