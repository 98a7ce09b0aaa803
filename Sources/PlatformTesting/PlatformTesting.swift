enum PlatformTestingTarget {}
