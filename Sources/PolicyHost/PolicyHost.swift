enum PolicyHostTarget {}
