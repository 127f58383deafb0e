//! Vectors as long as all parameters, in the widest vectors of the machine.

use nalgebra::RealField;

// A closure that only borrows reaches the wide vectors through a shim that is not inlined, and so never sees them; this is a
// closure written out.
struct AddScaled<'a, T>(&'a mut [T], T, &'a [T]);

impl<T: RealField + Copy> pulp::NullaryFnOnce for AddScaled<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self(y, factor, x) = self;
        y.iter_mut().zip(x).for_each(|(y, &x)| *y += factor * x);
    }
}

/// `y += factor x`, over the shorter of the two.
pub(crate) fn add_scaled<T: RealField + Copy>(y: &mut [T], factor: T, x: &[T]) {
    pulp::Arch::new().dispatch(AddScaled(y, factor, x));
}
