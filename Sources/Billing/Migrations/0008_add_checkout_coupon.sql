-- The buyer's code of a checkout, and what it takes off by the provider's word at that moment, as JSON.
ALTER TABLE billing_checkout_all ADD COLUMN coupon TEXT CHECK (length(coupon) BETWEEN 2 AND 4000);
