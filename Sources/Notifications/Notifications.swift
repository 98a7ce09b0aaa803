enum NotificationsRoom {}
