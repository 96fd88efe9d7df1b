use std::collections::BTreeSet;

use super::*;

type Model = BTreeSet<(UnixMillis, u64, Slot)>;

#[test]
fn it_agrees_with_an_ordered_set_whatever_happens() {
    for seed in 0..16 {
        let mut random = Random(seed);
        let (mut timeline, mut model) = (Timeline::default(), Model::new());
        // From everything in one millisecond to hardly a tie.
        let span = 1 << (2 * seed % 22);
        for step in 0..60_000u64 {
            // Growth, balance and decline, down to nothing and back.
            let inserts = [80, 50, 15, 2][(step / 10_000 % 4) as usize];
            if random.below(100) < inserts {
                let due = UnixMillis(1_000 + step / 8 + random.below(span));
                // Not in step with `due`, as after a nack.
                let seq = step ^ random.below(2) << 8;
                if model.insert((due, seq, Slot(7))) {
                    timeline.insert(due, seq, Slot(7));
                }
            } else if let Some((due, seq, slot)) = pick(&model, &mut random, span) {
                assert!(timeline.remove(due, seq, slot));
                assert!(!timeline.remove(due, seq, slot), "it is gone");
                model.remove(&(due, seq, slot));
            }
            assert_eq!(timeline.first(), model.first().copied(), "seed {seed}, step {step}");
            if step % 1_000 == 0 {
                check(&timeline, &model);
                check_page(&timeline, &model, UnixMillis(step / 8 + random.below(span)));
            }
        }
        check(&timeline, &model);
    }
}

#[test]
fn ties_come_out_in_publish_order() {
    let mut timeline = Timeline::default();
    for seq in (0..10_000).rev() {
        timeline.insert(UnixMillis(5), seq, Slot(1));
    }
    timeline.insert(UnixMillis(4), 99_999, Slot(1));
    let order: Vec<u64> = timeline.iter_after(None).map(|(_, seq, _)| seq).collect();
    assert!(order.into_iter().eq(std::iter::once(99_999).chain(0..10_000)));
}

#[test]
fn a_cursor_names_all_slots_of_its_due_and_seq() {
    let mut timeline = Timeline::default();
    for slot in 0..200 {
        timeline.insert(UnixMillis(5), u64::from(slot) / 100, Slot(slot));
    }
    let rest: Vec<u32> =
        timeline.iter_after(Some((UnixMillis(5), 0))).map(|(_, _, slot)| slot.0).collect();
    assert!(rest.into_iter().eq(100..200));
    assert_eq!(timeline.iter_after(Some((UnixMillis(BITS_48), BITS_48))).count(), 0);
    assert_eq!(timeline.iter_after(Some((UnixMillis(0), 0))).count(), 200);

    let rest: Vec<u32> =
        timeline.iter_before(Some((UnixMillis(5), 1))).map(|(_, _, slot)| slot.0).collect();
    assert!(rest.into_iter().eq((0..100).rev()));
    assert_eq!(timeline.iter_before(Some((UnixMillis(BITS_48), BITS_48))).count(), 200);
    assert_eq!(timeline.iter_before(Some((UnixMillis(0), 0))).count(), 0);
}

#[test]
fn growing_due_times_leave_full_leaves_behind() {
    let mut timeline = Timeline::default();
    for seq in 0..100_000 {
        timeline.insert(UnixMillis(seq / 10), seq, Slot(0));
    }
    assert!(timeline.bytes() < 18 * timeline.len(), "{} bytes", timeline.bytes());
}

#[test]
fn random_due_times_cost_at_most_24_bytes_each() {
    let (mut timeline, mut random) = (Timeline::default(), Random(1));
    let mut live = Vec::new();
    for seq in 0..200_000 {
        let due = UnixMillis(random.below(3_600_000));
        timeline.insert(due, seq, Slot(0));
        live.push((due, seq));
        if seq >= 50_000 {
            let (due, seq) = live.swap_remove(random.below(50_000) as usize);
            assert!(timeline.remove(due, seq, Slot(0)));
        }
    }
    assert!(timeline.bytes() < 24 * timeline.len(), "{} bytes", timeline.bytes());
}

#[test]
fn memory_returns_after_draining_in_any_order() {
    let mut random = Random(2);
    let mut entries: Vec<(u64, u64)> =
        (0..50_000).map(|seq| (random.below(100_000), seq)).collect();
    for shuffled in [false, true] {
        let mut timeline = Timeline::default();
        for &(due, seq) in &entries {
            timeline.insert(UnixMillis(due), seq, Slot(0));
        }
        entries.sort_unstable();
        if shuffled {
            for at in (1..entries.len()).rev() {
                entries.swap(at, random.below(at as u64 + 1) as usize);
            }
        }
        for &(due, seq) in &entries[500..] {
            assert!(timeline.remove(UnixMillis(due), seq, Slot(0)));
        }
        entries[..500].sort_unstable();
        let left = timeline.iter_after(None).map(|(due, seq, _)| (due.0, seq));
        assert!(left.eq(entries[..500].iter().copied()));
        // A hundredth is left: what it needs, not what there was room for.
        assert!(timeline.bytes() < 500 * 64, "{} bytes", timeline.bytes());
        for &(due, seq) in &entries[..500] {
            assert!(timeline.remove(UnixMillis(due), seq, Slot(0)));
        }
        assert!(timeline.len() == 0 && timeline.bytes() <= SLACK * size_of::<u128>());
    }
}

#[test]
fn a_copy_is_equal_and_its_own() {
    let mut timeline = Timeline::default();
    for seq in 0..10_000 {
        timeline.insert(UnixMillis(seq % 100), seq, Slot(0));
    }
    let mut copy = timeline.clone();
    for seq in 0..5_000 {
        assert!(copy.remove(UnixMillis(seq % 100), seq, Slot(0)));
    }
    check(&timeline, &(0..10_000).map(|seq| (UnixMillis(seq % 100), seq, Slot(0))).collect());
    check(&copy, &(5_000..10_000).map(|seq| (UnixMillis(seq % 100), seq, Slot(0))).collect());
}

/// Mostly what is at either end, as in a queue; otherwise something in between.
fn pick(model: &Model, random: &mut Random, span: u64) -> Option<(UnixMillis, u64, Slot)> {
    let start = model.first()?.0 .0 + random.below(span);
    match random.below(4) {
        0 => model.first(),
        1 => model.last(),
        _ => model.range((UnixMillis(start), random.below(60_000), Slot(0))..).next(),
    }
    .or(model.last())
    .copied()
}

fn check(timeline: &Timeline, model: &Model) {
    assert_eq!(timeline.len(), model.len());
    assert!(timeline.iter_after(None).eq(model.iter().copied()));
    assert!(timeline.iter_before(None).eq(model.iter().rev().copied()));
    depth(&timeline.root, true);
    assert_eq!(timeline.bytes(), timeline.root.bytes(), "counted as it went, and anew");
}

fn check_page(timeline: &Timeline, model: &Model, due: UnixMillis) {
    let page = timeline.iter_after(Some((due, 3)));
    assert!(page.take(100).eq(model.range((due, 4, Slot(0))..).take(100).copied()));
    let page = timeline.iter_before(Some((due, 3)));
    assert!(page.take(100).eq(model.range(..(due, 3, Slot(0))).rev().take(100).copied()));

    // Around an entry: neither way comes upon it again.
    let Some(&(at, seq, _)) = model.range((due, 3, Slot(0))..).next() else { return };
    let (earlier, later) = ((at, seq, Slot(0)), (at, seq + 1, Slot(0)));
    let page = timeline.iter_after(Some((at, seq)));
    assert!(page.take(100).eq(model.range(later..).take(100).copied()));
    let page = timeline.iter_before(Some((at, seq)));
    assert!(page.take(100).eq(model.range(..earlier).rev().take(100).copied()));
}

fn depth(node: &Node, is_root: bool) -> usize {
    assert!(is_root || (1..=node.len_max()).contains(&node.len()));
    let Node::Inner(children) = node else { return 1 };
    assert!(!is_root || children.len() > 1, "a root with one child is one level too many");
    let first = depth(&children[0].node, false);
    assert!(children.iter().all(|child| depth(&child.node, false) == first));
    first + 1
}

/// SplitMix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}
