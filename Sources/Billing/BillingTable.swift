import Store

/// Every statement over a tenant's own rows. Tenant scope.
enum BillingTable {
    // What a tenant that left leaves to the tax office, until the years are over; $3 is now. Kernel scope.
    static let forgetInvoices = forget("billing.forget_invoices", "billing_invoice_all", "issued_at")
    static let forgetReversals = forget("billing.forget_reversals", "billing_reversal_all", "happened_at")
    private static func forget(_ name: String, _ table: String, _ clock: String) -> SQL {
        SQL(
            name,
            """
            DELETE FROM \(table) WHERE tenant_id = $1 AND \(clock) < $2
                AND \(TenantKeep.unkept(table, BillingRetention.invoices, clock: clock, now: "$3"))
            """)
    }
    static let oldDocuments = SQL(
        "billing.old_documents",
        """
        SELECT tenant_id FROM (
            SELECT tenant_id FROM billing_invoice_all WHERE issued_at < $1 AND tenant_id > $2
            UNION SELECT tenant_id FROM billing_reversal_all WHERE happened_at < $1 AND tenant_id > $2) documents
        ORDER BY tenant_id LIMIT $3
        """)
    static let newestDocument = SQL(
        "billing.newest_document",
        """
        SELECT max(at) FROM (
            SELECT max(issued_at) AS at FROM billing_invoice_all WHERE tenant_id = $1
            UNION ALL SELECT max(happened_at) AS at FROM billing_reversal_all WHERE tenant_id = $1) documents
        """)
    // Checkouts
    static let insertCheckout = SQL(
        "billing.insert_checkout",
        """
        INSERT INTO billing_checkout (tenant_id, id, provider, reference, claim, fingerprint, attempt, tier, interval, quantity,
            unit_amount_minor, currency, provider_price, trial_days, status, session, url_box, subscription_object, facts, created_at, changed_at,
            coupon)
        VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10, $11, $12, $13, 'asking', NULL, NULL, NULL, $14, $15, $15, $16)
        """)
    private static let checkoutColumns = """
        id, provider, reference, fingerprint, attempt, tier, interval, quantity, unit_amount_minor, currency, provider_price, trial_days, status,
        session, url_box, created_at, coupon
        """
    static let checkoutByClaim = SQL(
        "billing.checkout_by_claim", "SELECT \(checkoutColumns) FROM billing_checkout WHERE tenant_id = $1 AND claim = $2")
    static let openCheckout = SQL(
        "billing.open_checkout",
        """
        UPDATE billing_checkout SET status = 'open', session = $3, url_box = $4, changed_at = $5
        WHERE tenant_id = $1 AND id = $2 AND status <> 'open' RETURNING id
        """)
    static let refuseCheckout = SQL(
        "billing.refuse_checkout",
        """
        UPDATE billing_checkout SET status = 'refused', attempt = attempt + 1, changed_at = $3
        WHERE tenant_id = $1 AND id = $2 AND status = 'asking' RETURNING id
        """)
    static let askAgain = SQL(
        "billing.ask_again",
        "UPDATE billing_checkout SET status = 'asking', changed_at = $3 WHERE tenant_id = $1 AND id = $2 AND status = 'refused' RETURNING id"
    )
    /// A key is forgotten with its stored answer: the same one later is another request.
    static let forgetClaim = SQL(
        "billing.forget_claim", "UPDATE billing_checkout SET claim = NULL WHERE tenant_id = $1 AND id = $2 RETURNING id")
    static let checkoutBySession = SQL(
        "billing.checkout_by_session",
        "SELECT reference, tier, interval, facts FROM billing_checkout WHERE tenant_id = $1 AND provider = $2 AND session = $3")
    static let checkoutByReference = SQL(
        "billing.checkout_by_reference", "SELECT id FROM billing_checkout WHERE tenant_id = $1 AND provider = $2 AND reference = $3")
    /// What an open checkout offered, and what was told of it.
    static let checkoutOffered = SQL(
        "billing.checkout_offered",
        """
        SELECT session, tier, interval, quantity, unit_amount_minor, currency, facts, coupon FROM billing_checkout
        WHERE tenant_id = $1 AND provider = $2 AND reference = $3 AND status = 'open'
        """)
    static let checkoutsOfSubscription = SQL(
        "billing.checkouts_of_subscription",
        """
        SELECT session, facts FROM billing_checkout
        WHERE tenant_id = $1 AND provider = $2 AND subscription_object = $3 AND session IS NOT NULL
        """)
    /// What was offered where a subscription was bought.
    static let pricesBought = SQL(
        "billing.prices_bought",
        """
        SELECT tier, interval, unit_amount_minor, currency FROM billing_checkout
        WHERE tenant_id = $1 AND provider = $2 AND subscription_object = $3
        """)
    /// By which code a subscription was bought.
    static let couponOfSubscription = SQL(
        "billing.coupon_of_subscription",
        """
        SELECT coupon FROM billing_checkout
        WHERE tenant_id = $1 AND provider = $2 AND subscription_object = $3 AND coupon IS NOT NULL ORDER BY created_at LIMIT 1
        """)
    static let updateCheckout = SQL(
        "billing.update_checkout",
        """
        UPDATE billing_checkout SET facts = $4, subscription_object = $5, changed_at = $6
        WHERE tenant_id = $1 AND provider = $2 AND session = $3 RETURNING id
        """)
    static let firstCheckout = SQL(
        "billing.first_checkout", "SELECT created_at FROM billing_checkout WHERE tenant_id = $1 ORDER BY created_at LIMIT 1")

    // Subscriptions
    private static let subscriptionColumns = "id, provider, object, facts, standing, told, version, created_at, changed_at"
    static let subscriptionByObject = SQL(
        "billing.subscription_by_object",
        "SELECT \(subscriptionColumns) FROM subscription WHERE tenant_id = $1 AND provider = $2 AND object = $3")
    static let subscriptionByID = SQL(
        "billing.subscription_by_id", "SELECT \(subscriptionColumns) FROM subscription WHERE tenant_id = $1 AND id = $2")
    static let subscriptions = SQL(
        "billing.subscriptions", "SELECT \(subscriptionColumns) FROM subscription WHERE tenant_id = $1 ORDER BY id DESC LIMIT 100")
    static let updateSubscription = SQL(
        "billing.update_subscription",
        """
        UPDATE subscription SET facts = $3, standing = $4, told = $5, version = $6, changed_at = $7
        WHERE tenant_id = $1 AND id = $2 RETURNING id
        """)
    static let insertSubscription = SQL(
        "billing.insert_subscription",
        """
        INSERT INTO subscription (tenant_id, id, provider, object, facts, standing, told, version, created_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, 'pending', NULL, 0, $6, $6)
        """)

    // Invoices
    static let invoiceByObject = SQL(
        "billing.invoice_by_object", "SELECT id, facts FROM billing_invoice WHERE tenant_id = $1 AND provider = $2 AND object = $3")
    static let invoicesOfSubscription = SQL(
        "billing.invoices_of_subscription",
        "SELECT object, facts FROM billing_invoice WHERE tenant_id = $1 AND provider = $2 AND subscription_object = $3")
    static let updateInvoice = SQL(
        "billing.update_invoice",
        """
        UPDATE billing_invoice SET facts = $4, subscription_object = $5, issued_at = $6
        WHERE tenant_id = $1 AND provider = $2 AND object = $3 RETURNING id
        """)
    static let insertInvoice = SQL(
        "billing.insert_invoice",
        """
        INSERT INTO billing_invoice (tenant_id, id, provider, object, subscription_object, facts, issued_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """)
    static let invoiceByID = SQL(
        "billing.invoice_by_id",
        "SELECT id, provider, object, subscription_object, facts, issued_at FROM billing_invoice WHERE tenant_id = $1 AND id = $2")
    static let listInvoices = SQL(
        "billing.list_invoices",
        """
        SELECT id, provider, object, subscription_object, facts, issued_at FROM billing_invoice
        WHERE tenant_id = $1 AND (issued_at, id) < ($2, $3) ORDER BY issued_at DESC, id DESC LIMIT $4
        """)

    // Refunds and disputes
    static let reversalByObject = SQL(
        "billing.reversal_by_object",
        "SELECT id, facts FROM billing_reversal WHERE tenant_id = $1 AND provider = $2 AND kind = $3 AND object = $4")
    static let reversals = SQL(
        "billing.reversals", "SELECT object, facts FROM billing_reversal WHERE tenant_id = $1 AND provider = $2 AND kind = $3")
    static let updateReversal = SQL(
        "billing.update_reversal",
        """
        UPDATE billing_reversal SET facts = $5, happened_at = $6
        WHERE tenant_id = $1 AND provider = $2 AND kind = $3 AND object = $4 RETURNING id
        """)
    static let insertReversal = SQL(
        "billing.insert_reversal",
        """
        INSERT INTO billing_reversal (tenant_id, id, provider, kind, object, facts, happened_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
        """)

    // Declines
    static let decline = SQL(
        "billing.find_decline",
        "SELECT reason, declined_at FROM billing_decline WHERE tenant_id = $1 AND provider = $2 AND kind = $3 AND object = $4")
    static let updateDecline = SQL(
        "billing.update_decline",
        """
        UPDATE billing_decline SET reason = $5, declined_at = $6
        WHERE tenant_id = $1 AND provider = $2 AND kind = $3 AND object = $4
        """)
    static let insertDecline = SQL(
        "billing.insert_decline",
        "INSERT INTO billing_decline (tenant_id, provider, kind, object, reason, declined_at) VALUES ($1, $2, $3, $4, $5, $6)")

    // Mails
    static let mail = SQL("billing.find_mail", "SELECT sent_at FROM billing_mail WHERE tenant_id = $1 AND mail_key = $2")
    static let insertMail = SQL("billing.insert_mail", "INSERT INTO billing_mail (tenant_id, mail_key, sent_at) VALUES ($1, $2, $3)")
    static let dropMail = SQL(
        "billing.drop_mail", "DELETE FROM billing_mail WHERE tenant_id = $1 AND mail_key = $2 RETURNING sent_at")

    static let all = [
        insertCheckout, checkoutByClaim, openCheckout, refuseCheckout, askAgain, forgetClaim, checkoutBySession, checkoutByReference,
        checkoutOffered, checkoutsOfSubscription, couponOfSubscription,
        updateCheckout, firstCheckout, subscriptionByObject, subscriptionByID, subscriptions, updateSubscription, insertSubscription,
        invoiceByObject, invoicesOfSubscription, updateInvoice, insertInvoice, invoiceByID, listInvoices, reversalByObject, reversals,
        updateReversal,
        insertReversal, decline, updateDecline, insertDecline,
        mail, insertMail, dropMail,
    ]
}
