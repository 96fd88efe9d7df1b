//! How much memory something takes and how often it asks for some, counted for each thread by
//! itself. Whatever is linked with this counts all that it allocates.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: all is left to the system's allocator. Counting allocates nothing: the cells are constant
// at first and have no destructor. What grows in place is counted as allocated anew, since here
// that is how it is done.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

fn count(bytes: isize) {
    let live = LIVE.get() + bytes;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

/// What `work` makes, and how many bytes more than before were in use at most meanwhile.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let made = work();
    (made, (PEAK.get() - before) as usize)
}

/// What `work` makes, and how many bytes more than before are in use then.
pub fn growth_of<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = LIVE.get();
    let made = work();
    (made, LIVE.get() - before)
}

/// What `work` makes, and how often it has asked for memory. To make something larger counts as
/// well.
pub fn allocations_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATIONS.get();
    let made = work();
    (made, ALLOCATIONS.get() - before)
}
