enum LicensingRoom {}
